"""How the order of a Dockerfile's lines changes what is cached, and how long a rebuild takes."""
