"""What a container shares with its host: its kernel, its processes, and its limits."""
