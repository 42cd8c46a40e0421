"""Which mistakes Docker's build checks find in a Dockerfile without building it."""
