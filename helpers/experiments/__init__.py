"""Experiments: each runs something real and returns a frozen result; none prints or draws."""
