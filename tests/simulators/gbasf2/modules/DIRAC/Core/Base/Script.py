"""Set-up of scripts."""


def enableCS():
    """Read the configuration service."""
