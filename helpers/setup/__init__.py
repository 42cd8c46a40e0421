"""Set-up of a machine: Debian packages, the terminal, signals."""
