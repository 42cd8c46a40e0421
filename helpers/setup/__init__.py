"""Set-up of a bare machine: standard library only, since nothing else is there yet."""
