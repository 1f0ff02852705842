"""Submitted runs: on disk, handed over exactly once, watched until their verdict."""
