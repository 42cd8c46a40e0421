"""Frozen results that the engine, the experiments and the display hand to one another."""
