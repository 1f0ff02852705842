"""Programs of b2luigi's documentation, and others."""

from __future__ import annotations

#: Ten numbers and their average, as b2luigi's documentation has it.
AVERAGE = """
import b2luigi
import random


class MyNumberTask(b2luigi.Task):
    some_parameter = b2luigi.IntParameter()

    def output(self):
        yield self.add_to_output("output_file.txt")

    def run(self):
        random_number = random.random()

        with open(self.get_output_file_name("output_file.txt"), "w") as f:
            f.write(f"{random_number}\\n")


class MyAverageTask(b2luigi.Task):
    def requires(self):
        for i in range(10):
            yield self.clone(MyNumberTask, some_parameter=i)

    def output(self):
        yield self.add_to_output("average.txt")

    def run(self):
        # Build the mean
        summed_numbers = 0
        counter = 0
        for input_file in self.get_input_file_names("output_file.txt"):
            with open(input_file, "r") as f:
                summed_numbers += float(f.read())
                counter += 1

        average = summed_numbers / counter

        with open(self.get_output_file_name("average.txt"), "w") as f:
            f.write(f"{average}\\n")


if __name__ == "__main__":
    b2luigi.process(MyAverageTask(), workers=200, batch=True)
"""

#: Layers of tasks, each of which needs all of the layer before; each notes that it ran.
LAYERS = """
import os
import sys
import time
from pathlib import Path

import b2luigi

HERE = Path(__file__).parent
LAYERS, WIDTH = {layers}, {width}


def note(text):
    with open(HERE / "ran", "a") as file:
        file.write(text + "\\n")


class Part(b2luigi.Task):
    layer = b2luigi.IntParameter()
    number = b2luigi.IntParameter()

    def requires(self):
        if self.layer:
            for number in range(WIDTH):
                yield Part(layer=self.layer - 1, number=number)

    def output(self):
        yield self.add_to_output("part.txt")

    def run(self):
        note(f"{{self.layer}}.{{self.number}}")
        {body}
        with self.output_target() as file:
            file.write("made\\n")

    def output_target(self):
        return open(self.get_output_file_name("part.txt"), "w")


class All(b2luigi.WrapperTask):
    batch_system = "local"

    def requires(self):
        for number in range(WIDTH):
            yield Part(layer=LAYERS - 1, number=number)


if __name__ == "__main__":
    b2luigi.process(
        All(), workers={workers}, batch=True, ignore_additional_command_line_args=True
    )
"""


def layers(number: int, width: int, body: str = "pass", workers: int = 300) -> str:
    """A program of layers."""
    return LAYERS.format(layers=number, width=width, body=body, workers=workers)
