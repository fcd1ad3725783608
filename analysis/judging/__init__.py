"""From claims to verdicts: tests, corrections, looks and power."""
