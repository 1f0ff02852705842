"""A batch system that looks like LSF 10.1 or OpenLava 2.2, and runs jobs on this machine."""
