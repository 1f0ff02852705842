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


#: Tasks that are projects on the grid, and what is made of their outputs on this machine.
GRID = """
import os
import sys
from pathlib import Path

import basf2
import b2luigi
from anybatch.runs import polling
from b2luigi.contrib.basf2.tasks import Basf2PathTask
from b2luigi.contrib.gbasf2.process import Gbasf2GridProjectTarget, get_unique_project_name
from variables import variables

vars(polling).update(FIRST_POLL=0.5, COST=5)
HERE = Path(__file__).parent


class Skim(Basf2PathTask):
    anybatch_system = "gbasf2"
    gbasf2_project_name_prefix = b2luigi.Parameter(default="skim_", significant=False)
    gbasf2_input_dataset = b2luigi.Parameter(default="/belle/MC/simulated", hashed=True)

    def create_path(self):
        variables.addAlias("short", "a_long_name")
        path = basf2.create_path()
        path.add_module("RootOutput", outputFileName="B.root")
        path.add_module("RootOutput", outputFileName="B_mc.root")
        return path

    def output(self):
        yield self.add_to_output("B.root")
        yield self.add_to_output("B_mc.root")

{attributes}


class OnGrid(Skim):
    gbasf2_download_dataset = False

    def output(self):
        return Gbasf2GridProjectTarget(
            get_unique_project_name(self),
            gbasf2_setup_path=b2luigi.get_setting("gbasf2_setup_path"),
        )


class Again(Skim):
    gbasf2_project_name_prefix = "again_"

    @property
    def gbasf2_input_dataset(self):
        return "/belle/user/ada/" + get_unique_project_name(OnGrid())

    def requires(self):
        yield OnGrid()


class Here(b2luigi.Task):
    def output(self):
        yield self.add_to_output("here.txt")

    def run(self):
        with open(self.get_output_file_name("here.txt"), "w") as file:
            file.write("here")


@b2luigi.requires(Skim)
class Count(b2luigi.Task):
    def output(self):
        yield self.add_to_output("count.txt")

    def run(self):
        lines = []
        for name in ("B.root", "B_mc.root"):
            [folder] = self.get_input_file_names(name)
            lines.append(f"{{name}} {{len(os.listdir(folder))}}")
        with open(self.get_output_file_name("count.txt"), "w") as file:
            file.write("\\n".join(lines))


if __name__ == "__main__":
    b2luigi.process({root}, workers=10, batch=True, ignore_additional_command_line_args=True)
"""


def on_grid(root: str = "Skim()", attributes: str = "") -> str:
    """A program of the grid."""
    return GRID.format(root=root, attributes=attributes)
