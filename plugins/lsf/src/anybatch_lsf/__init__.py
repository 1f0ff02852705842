"""LSF for anybatch."""
