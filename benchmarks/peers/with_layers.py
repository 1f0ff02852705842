"""WIDTH tasks in each of LAYERS layers on Slurm, with b2luigi; a task needs the layer before it.

    python with_layers.py SYSTEM LAYERS WIDTH

SYSTEM is a batch system of b2luigi: `slurm`, its own, or `anybatch`.
"""

import json
import sys
import time

import b2luigi

if sys.argv[1] != "--batch-runner":  # that is how b2luigi runs this program on the worker
    SYSTEM, LAYERS, WIDTH = sys.argv[1:]
    del sys.argv[1:]
    b2luigi.set_setting("task_cmd_additional_args", [SYSTEM, LAYERS, WIDTH])
else:
    SYSTEM, LAYERS, WIDTH = sys.argv[-3:]
    del sys.argv[-3:]


class Part(b2luigi.Task):
    """A job of its own."""

    batch_system = SYSTEM
    anybatch_system = "slurm"
    layer = b2luigi.IntParameter()
    number = b2luigi.IntParameter()

    def requires(self):
        """All of the layer before."""
        for number in range(int(WIDTH)) if self.layer else ():
            yield Part(layer=self.layer - 1, number=number)

    def output(self):
        """What tells b2luigi that the task is done."""
        yield self.add_to_output("done")

    def run(self):
        """Make it."""
        with open(self.get_output_file_name("done"), "w"):
            pass


class All(b2luigi.WrapperTask):
    """The last layer, and so all."""

    batch_system = "local"

    def requires(self):
        """Its tasks."""
        for number in range(int(WIDTH)):
            yield Part(layer=int(LAYERS) - 1, number=number)


if __name__ == "__main__":
    started = time.perf_counter()
    b2luigi.process(All(), workers=1000, batch=True)
    print(json.dumps(time.perf_counter() - started))
