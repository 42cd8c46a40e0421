"""The Docker Engine: finding or starting one, building with it, cleaning up after the course."""
