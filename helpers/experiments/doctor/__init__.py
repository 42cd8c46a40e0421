"""Whether this machine has what the course needs."""
