"""One run: from a run and its data to its record."""
