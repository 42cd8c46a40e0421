"""Virtual machines: the guests, the QEMU that boots them, and what a booting guest tells."""
