"""Which data survives what: stopping a container, removing it, removing its volume."""
