"""The running Compose project of the current folder as a diagram."""
