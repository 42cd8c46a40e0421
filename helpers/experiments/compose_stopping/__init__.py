"""What Ctrl-C, `stop`, `down` and `down -v` keep of a Compose project, and what they remove."""
