"""A kit for the authors of batch plugins: run anybatch's own promises against your system.

In the root `conftest.py`, or in `addopts` as `-p anybatch.testing.plugin`:

    pytest_plugins = ["anybatch.testing.plugin"]

In a test module:

    from anybatch.testing import SystemContract


    class TestMySystem(SystemContract):
        system = "mysystem"

A system that moves jobs' files has a second contract, `TransferContract`. Each test of a contract
runs real jobs. `ScriptedHost` and `submission` are for tests of single hooks, which run none. Needs
the extra `anybatch[testing]`.
"""

import pkgutil

import pytest

for _module in pkgutil.iter_modules(__path__):
    pytest.register_assert_rewrite(f"anybatch.testing.{_module.name}")

from anybatch.testing.contract import SystemContract  # noqa: E402 - after the registration
from anybatch.testing.scripted import ScriptedHost  # noqa: E402
from anybatch.testing.submissions import submission  # noqa: E402
from anybatch.testing.texts import awkward_texts, file_names  # noqa: E402
from anybatch.testing.transfer import TransferContract  # noqa: E402
from anybatch.testing.waiting import assorted_end, await_that, native_id  # noqa: E402

__all__ = [
    "ScriptedHost",
    "SystemContract",
    "TransferContract",
    "assorted_end",
    "await_that",
    "awkward_texts",
    "file_names",
    "native_id",
    "submission",
]
