"""Set-up."""


def initializeCS():
    """Read the configuration service."""
