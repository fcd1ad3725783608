"""Residual networks with a switch for the skip: specs, networks, probes, runs."""
