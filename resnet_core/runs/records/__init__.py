"""What is stored of runs: plans, records and who is at which."""
