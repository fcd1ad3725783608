"""Oracles: what proposes the next point of a space, from the seed and the trials that have ended."""
