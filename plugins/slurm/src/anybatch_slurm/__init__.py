"""Slurm for anybatch: 20.11 to 26.05."""
