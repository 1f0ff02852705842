"""Archives that come back from workers: nothing in them leaves the run's folder."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from anybatch_lsf.file_transfer import UNPACK
from anybatch_lsf.unpack import NOT_WHOLE

REG, LNK, SYM, DIR = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE


@attrs.frozen
class Place:
    """A run's folder with a job's outputs elsewhere, and a home that nothing may come to."""

    run: Path
    outputs: Path
    home: Path

    def unpack(self, *members: tuple[str, bytes, Any]) -> subprocess.CompletedProcess[str]:
        """Unpack an archive with these members: name, type, text of a file or target of a link."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for name, kind, content in members:
                member = tarfile.TarInfo(name)
                member.type, member.mode, member.mtime = kind, 0o6755, 1_700_000_000
                if kind == REG:
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                else:
                    member.linkname = str(content)
                    tar.addfile(member)
        return self.unpack_bytes(data.getvalue())

    def unpack_bytes(self, data: bytes) -> subprocess.CompletedProcess[str]:
        """Unpack what may be an archive."""
        (self.run / "lsf.tgz").write_bytes(data)
        words = (self.run / "lsf.tgz", self.run, "exit", "start", "logs", "stage-out")
        argv = [sys.executable, "-I", UNPACK, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=self.home)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "run", tmp_path / "outputs", tmp_path / "home")
    for folder in (made.run / "stage-out", made.outputs, made.home):
        folder.mkdir(parents=True)
    (made.run / "stage-out/0").symlink_to(made.outputs)
    return made


def test_what_a_job_brings_comes_to_its_place(place: Place) -> None:
    """Records with their time, logs, and outputs through the link that the run has made."""
    (place.outputs / "old").write_text("old")
    done = place.unpack(
        ("exit", DIR, ""),
        ("./exit/0/0.0.0.command.exit-0", REG, b""),
        ("logs/0/0.out", REG, b"words"),
        ("stage-out/0/deep/er/x", REG, b"x"),
        ("stage-out/0/again", LNK, "stage-out/0/deep/er/x"),
        ("stage-out/0/link", SYM, "deep/er/x"),
        ("stage-out/0/far", SYM, "/cvmfs/x"),
        ("stage-out/0/old", REG, b"new"),
        ("elsewhere/y", REG, b"not asked for"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    record = place.run / "exit/0/0.0.0.command.exit-0"
    assert record.stat().st_mtime == 1_700_000_000
    assert (place.run / "logs/0/0.out").read_text() == "words"
    assert (place.outputs / "deep/er/x").read_text() == "x"
    assert (place.outputs / "again").read_text() == (place.outputs / "link").read_text() == "x"
    assert (place.outputs / "far").readlink() == Path("/cvmfs/x")
    assert (place.outputs / "old").read_text() == "new"
    assert (place.outputs / "old").stat().st_mode & 0o7000 == 0
    assert not (place.run / "elsewhere").exists()


EVIL = {
    "absolute": [("{home}/x", REG, b"")],
    "upwards": [("stage-out/../../home/x", REG, b"")],
    "upwards to a folder": [("logs/../../home/x", DIR, "")],
    "link, then behind it": [
        ("stage-out/0/to", SYM, "{home}"),
        ("stage-out/0/to/.bashrc", REG, b""),
    ],
    "link, then a link, then behind it": [
        ("stage-out/0/a", SYM, "{home}"),
        ("stage-out/0/b", SYM, "a"),
        ("stage-out/0/b/.bashrc", REG, b""),
    ],
    "a link in the place of the run's": [
        ("stage-out/0", SYM, "{home}"),
        ("stage-out/0/x", REG, b""),
    ],
    "a further link beside the run's": [("stage-out/1", SYM, "{home}")],
    "a link for logs": [("logs/0", SYM, "{home}"), ("logs/0/0.out", REG, b"")],
    "a log that is a link": [("logs/0/0.out", SYM, "{home}/kept")],
    "records behind a link": [("exit", SYM, "{home}"), ("exit/x", REG, b"")],
    "a hard link to outside": [("stage-out/0/x", LNK, "{home}/kept")],
    "a hard link upwards": [("stage-out/0/x", LNK, "stage-out/0/../../../home/kept")],
    "a hard link to what was not there": [("stage-out/0/x", LNK, "job.sh")],
    "a hard link through a link": [
        ("stage-out/0/to", SYM, "{home}"),
        ("stage-out/0/x", LNK, "stage-out/0/to/kept"),
    ],
    "a device": [("stage-out/0/x", tarfile.CHRTYPE, "")],
    "a block device": [("logs/x", tarfile.BLKTYPE, "")],
    "a pipe": [("stage-out/0/x", tarfile.FIFOTYPE, "")],
}


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_leaves_the_run_s_folder(place: Place, evil: str) -> None:
    """An archive with one bad member is refused as a whole; what it is said is what it is."""
    (place.home / "kept").write_text("kept")
    members = [
        tuple(w.replace("{home}", str(place.home)) if isinstance(w, str) else w for w in one)
        for one in EVIL[evil]
    ]
    done = place.unpack(("logs/first", REG, b""), *members)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert os.listdir(place.home) == ["kept"]
    assert os.lstat(place.home / "kept").st_nlink == 1
    assert os.listdir(place.outputs) == []
    assert sorted(os.listdir(place.run)) == ["lsf.tgz", "stage-out"]


def test_links_that_an_earlier_archive_left_are_not_followed(place: Place) -> None:
    """What one job may bring, a link, is no way out for the next."""
    assert place.unpack(("stage-out/0/to", SYM, place.home)).returncode == 0
    done = place.unpack(("stage-out/0/to/.bashrc", REG, b"evil"))
    assert done.returncode == 1
    assert os.listdir(place.home) == []
    assert place.unpack(("stage-out/0/to", REG, b"file")).returncode == 0
    assert (place.outputs / "to").read_text() == "file"
    assert os.listdir(place.home) == []


def test_what_is_in_the_way_is_told_in_the_same_words_each_time(place: Place) -> None:
    """Whoever waits for it to go away knows by them that nothing has changed."""
    (place.outputs / "x").mkdir()
    said = {place.unpack(("stage-out/0/x", REG, b"")).stderr for _ in range(3)}
    assert said == {"'stage-out/0/x': Is a directory\n"}
    assert os.listdir(place.outputs) == ["x"]


@pytest.mark.parametrize("part", [0, 1, 10, 50, 0.5, 0.99, -8, -1])
def test_half_an_archive_is_none(place: Place, part: float) -> None:
    """Wherever it is cut, the checksum at its very end included, nothing is unpacked."""
    content = os.urandom(100_000)
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        member = tarfile.TarInfo("logs/x")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    data = whole.getvalue()
    cut = data[: int(part * len(data)) if isinstance(part, float) else part]
    assert place.unpack_bytes(cut).returncode == NOT_WHOLE
    assert sorted(os.listdir(place.run)) == ["lsf.tgz", "stage-out"]
    assert place.unpack_bytes(data).returncode == 0


@pytest.mark.parametrize(
    "data", [b"text", gzip.compress(b"text", mtime=0), gzip.compress(b"", mtime=0)]
)
def test_what_is_no_archive_is_none(place: Place, data: bytes) -> None:
    """Whatever has come in its place."""
    assert place.unpack_bytes(data).returncode == NOT_WHOLE


def test_the_script_imports_nothing_from_where_it_runs(place: Place) -> None:
    """A `tarfile.py` in the user's folder is not run instead of Python's own."""
    for name in ("tarfile", "gzip", "os", "typing"):
        (place.home / f"{name}.py").write_text("import pathlib; pathlib.Path('run').touch()")
    assert place.unpack(("logs/x", REG, b"")).returncode == 0
    assert not (place.home / "run").exists()
