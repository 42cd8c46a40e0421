"""Shows the states that a container goes through, from the engine's events."""
