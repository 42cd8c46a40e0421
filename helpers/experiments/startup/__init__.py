"""How long a container and a virtual machine take to start, phase by phase."""
