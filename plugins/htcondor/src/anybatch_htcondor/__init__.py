"""HTCondor for anybatch: 9.0 to 25.14."""
