"""Virtual machines: their guests, the QEMU that boots them, and the phases of a boot."""
