"""Telling somebody how a run has ended: whom, what and how. Nothing here knows of journals."""
