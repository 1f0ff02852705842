"""b2luigi on anybatch: the batch system `anybatch` of b2luigi's settings."""
