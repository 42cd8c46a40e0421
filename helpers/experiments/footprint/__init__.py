"""What a container and a virtual machine cost at rest, and one more of each."""
