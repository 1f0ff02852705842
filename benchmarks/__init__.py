"""Timings against the raw commands of the same batch system, side by side in one run."""
