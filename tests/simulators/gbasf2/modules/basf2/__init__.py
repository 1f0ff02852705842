"""A small stand-in for basf2: `process` writes what the modules of a path would write."""

import os
import types

from variables import variables


class Path:
    """Modules one after the other."""

    def __init__(self):
        self.steps = []

    def add_module(self, name, **parameters):
        """Put a module to the end."""
        self.steps.append((name, parameters))

    def modules(self):
        """All of them."""
        return self.steps


conditions = types.SimpleNamespace(globaltags=[])
logging = types.SimpleNamespace(log_level="INFO")
statistics = "statistics of the simulated basf2"


def create_path():
    """An empty path."""
    return Path()


def set_log_level(level):
    """How much is said."""
    logging.log_level = level


def print_path(path):
    """Show a path."""
    print(*(name for name, _ in path.steps))


def process(path, max_event=0):
    """Write the outputs: what was read, and how."""
    print(f"processing {os.environ.get('BASF2_SIMULATOR_INPUT')} at {logging.log_level}")
    print(f"aliases: {variables.aliases}")
    for name, parameters in path.steps:
        if name == "Crash":
            raise RuntimeError("the simulated module has crashed")
        if "outputFileName" in parameters:
            with open(os.environ["BASF2_SIMULATOR_INPUT"]) as events:
                read = events.read()
            with open(parameters["outputFileName"], "w") as output:
                output.write(f"{name} max_event={max_event} {conditions.globaltags}\n{read}")
