"""The files of a study's folder: plans, records, claims, networks and measurements."""
