"""A kit for the authors of batch plugins: run anybatch's own promises against your system.

In the root `conftest.py`, or in `addopts` as `-p anybatch.testing.plugin`:

    pytest_plugins = ["anybatch.testing.plugin"]

In a test module:

    from anybatch.testing import SystemContract

    class TestMySystem(SystemContract):
        system = "mysystem"

Each test of the contract runs real jobs. Needs the extra `anybatch[testing]`.
"""

import pytest

pytest.register_assert_rewrite("anybatch.testing.contract", "anybatch.testing.plugin")

from anybatch.testing.contract import SystemContract  # noqa: E402 - after the registration
from anybatch.testing.texts import awkward_texts, file_names  # noqa: E402

__all__ = ["SystemContract", "awkward_texts", "file_names"]
