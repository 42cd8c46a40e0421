"""What EXPOSE does and what `-p` does, from the four combinations of the two."""
