"""Apptainer (and Singularity) for anybatch: jobs of any batch system run in a container."""
