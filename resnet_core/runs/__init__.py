"""One run: its data, its training, its records, and where they are kept."""
