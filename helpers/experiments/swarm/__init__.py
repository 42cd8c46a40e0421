"""Swarm mode on the private engine: a service of several replicas, updated while it is used."""
