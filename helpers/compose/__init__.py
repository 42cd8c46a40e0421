"""Compose projects: adapt one to the course's engine, and read the one that runs."""
