"""How long `docker stop` takes, depending on which program is process 1."""
