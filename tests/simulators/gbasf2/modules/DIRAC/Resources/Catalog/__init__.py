"""A part of the stand-in for the grid client."""
