"""Credentials."""


def userCreds(function):
    """Run a function with the user's credentials."""
    return function
