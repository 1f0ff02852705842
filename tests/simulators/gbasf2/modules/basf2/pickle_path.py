"""Paths as plain data."""

import pickle

import basf2


def serialize_path(path):
    """A path as something that can be pickled."""
    return {"modules": path.steps}


def deserialize_path(plain):
    """The inverse."""
    path = basf2.create_path()
    for name, parameters in plain["modules"]:
        path.add_module(name, **parameters)
    return path


def get_path_from_file(file):
    """The path of a file."""
    with open(file, "rb") as stream:
        return deserialize_path(pickle.load(stream))
