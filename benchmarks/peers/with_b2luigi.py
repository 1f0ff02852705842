"""COUNT tasks that do nothing on Slurm, with b2luigi, which knows no arrays."""

import json
import os
import sys
import time

import b2luigi


class Nothing(b2luigi.Task):
    """A job of its own on Slurm."""

    batch_system = "slurm"
    number = b2luigi.IntParameter()

    def output(self):
        """What tells b2luigi that the task is done."""
        yield self.add_to_output("done")

    def run(self):
        """Make it."""
        with open(self.get_output_file_name("done"), "w"):
            pass


class All(b2luigi.WrapperTask):
    """All of them."""

    batch_system = "local"
    count = b2luigi.IntParameter()

    def requires(self):
        """The tasks."""
        return [Nothing(number=number) for number in range(self.count)]


if __name__ == "__main__":
    if sys.argv[1].isdecimal():  # b2luigi runs this program on the worker with other arguments
        os.environ["COUNT"] = sys.argv.pop()
    started = time.perf_counter()
    b2luigi.process(All(count=int(os.environ["COUNT"])), workers=1000, batch=True)
    print(json.dumps(time.perf_counter() - started))
