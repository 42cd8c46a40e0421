"""How long the same program takes to start, from a plain process to a virtual machine."""
