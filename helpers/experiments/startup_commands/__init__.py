"""Which command a container runs, with every combination of ENTRYPOINT and CMD."""
