"""Runs: their specs, data sets, training, execution, records and exports."""
