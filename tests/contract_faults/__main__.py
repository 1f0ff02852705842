"""Put faults into a plugin, one at a time, and print which of them the contract notices.

    python -m tests.contract_faults tinyq|slurm [KIND...]

Without kinds: all. The kind `none` is no fault. For slurm ANYBATCH_ENGINES must name it; see
tests/engines/README.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.contract_faults.kinds import KINDS, NONE

ROOT = Path(__file__).parents[2]
PLUGINS = {
    "slurm": ("Slurm", "plugins/slurm", "tests/test_slurm_contract.py"),
    "tinyq": ("TinyQ", "docs/examples/anybatch-tinyq", "tests/test_tinyq_contract.py"),
}


def main(system: str, *kinds: str) -> int:
    """A line for each kind, as a table of Markdown; how many were noticed."""
    chosen = kinds or KINDS
    noticed = 0
    for kind in chosen:
        first = test(system, kind)
        noticed += first is not None
        print(f"| `{kind}` | {f'`{first}`' if first else '**not noticed**'} |", flush=True)
    print(f"{system}: {noticed} of {len(chosen)} noticed")
    return 0


def test(system: str, kind: str) -> str | None:
    """The first test that fails with a fault in the plugin; None: all pass."""
    _, project, contract = PLUGINS[system]
    with tempfile.TemporaryDirectory(prefix="contract-faults-") as made:
        folder = Path(made)
        spoil(folder, system, kind)
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}:{ROOT}",
            "PATH": f"{ROOT / project / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANYBATCH_SLURM_CLUSTERS": "accounting",
        }
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-x", "-q", "--timeout", "200"),
                *("-p", "tests.contract_faults.quick", "-p", "no:cacheprovider"),
                *("--basetemp", str(folder / "tests"), "--rootdir", str(ROOT)),
                *("-c", str(ROOT / "pyproject.toml"), str(ROOT / project / contract)),
            ],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) \S*?::(?:\w+::)?(\S+)", ended.stdout, re.MULTILINE)
    if failed is None:
        raise SystemExit(f"{kind}: pytest failed\n{ended.stdout}{ended.stderr}")
    return failed[1]


def spoil(folder: Path, system: str, kind: str) -> None:
    """A copy of the plugin with a fault, as if it were installed."""
    name, project, _ = PLUGINS[system]
    package = f"anybatch_{system}"
    shutil.copytree(ROOT / project / "src" / package, folder / package)
    with (folder / package / "plugin.py").open("a") as file:
        file.write(
            f"\n\nfrom tests.contract_faults.kinds import spoil\n"
            f"from {package}.states import STATES\n\n"
            f"{name} = spoil({name}, {kind!r}, STATES)\n"
        )
    if system == "tinyq":  # which is not installed
        info = folder / f"{package}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: anybatch-{system}\nVersion: 0.1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[anybatch]\n{system} = {package}.plugin:{name}\n")


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in PLUGINS or {*sys.argv[2:]} - {*KINDS, NONE}:
        raise SystemExit(__doc__)
    raise SystemExit(main(*sys.argv[1:]))
