"""The execution of runs: executors, workers, retries, progress and loggers."""
