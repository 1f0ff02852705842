"""The words around a command: what each setting adds, and what can never be added."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from anybatch import Job, JobError, Resources, SettingError
from anybatch.records import Environment
from anybatch.testing import awkward_texts
from anybatch.worker_paths import WorkerPath
from anybatch_apptainer import render
from anybatch_apptainer.settings import SETTINGS
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path("/home/ada/project")
DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
HEAD = ["apptainer", "--silent", "exec"]
BINDS = [
    *("--bind", WorkerPath.RUN, "--bind", WorkerPath.WORKDIR),
    *("--bind", WorkerPath.OUTPUT_DIR, "--bind", WorkerPath.FILES),
]
PWD = ["--pwd", WorkerPath.WORKDIR]


def words(
    job: Job | None = None,
    *,
    command: str = "apptainer",
    image: str = "/i.sif",
    gpu: str = "nv",
    **settings: Any,
) -> list[str | WorkerPath]:
    """The command line of a job, with these settings and the default ones."""
    found = render.words(
        job or Job(["true"]),
        {**DEFAULTS, **settings},
        command=command,
        image=image,
        gpu=gpu,
        base_dir=FOLDER,
    )
    return list(found)


def gpus(number: int) -> Job:
    """A job that asks for GPUs."""
    return Job(["true"], resources=Resources(gpus=number))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [*HEAD, *BINDS, *PWD, "/i.sif"]),
        ({"mount_defaults": False}, [*HEAD, *PWD, "/i.sif"]),
        ({"command": "/opt/a b"}, ["/opt/a b", "--silent", "exec", *BINDS, *PWD, "/i.sif"]),
        ({"cleanenv": True}, [*HEAD, *BINDS, *PWD, "--cleanenv", "/i.sif"]),
        (
            {"mounts": ["/a", "b:/c:ro"]},
            [*HEAD, *BINDS, *PWD, "--bind", "/a", "--bind", f"{FOLDER}/b:/c:ro", "/i.sif"],
        ),
        (
            {"additional_params": ["--env", "A=a, b"], "mounts": ["/a"]},
            [*HEAD, *BINDS, *PWD, "--bind", "/a", "--env", "A=a, b", "/i.sif"],
        ),
        ({"job": gpus(1)}, [*HEAD, *BINDS, *PWD, "--nv", "/i.sif"]),
        ({"job": gpus(2), "gpu": "rocm"}, [*HEAD, *BINDS, *PWD, "--rocm", "/i.sif"]),
        ({"job": gpus(1), "gpu": "none"}, [*HEAD, *BINDS, *PWD, "/i.sif"]),
        ({"gpu": "rocm"}, [*HEAD, *BINDS, *PWD, "/i.sif"]),
        ({"image": "docker://x"}, [*HEAD, *BINDS, *PWD, "docker://x"]),
    ],
)
def test_the_words_of_every_setting(
    arguments: dict[str, Any], expected: list[str | WorkerPath]
) -> None:
    """Each setting adds what it says and nothing else."""
    assert words(**arguments) == expected


def test_every_setting_has_words() -> None:
    """No setting is without effect on the words, but those that choose whether there are any."""
    told = {"mounts", "mount_defaults", "additional_params", "command", "cleanenv", "gpu"}
    assert set(DEFAULTS) - told == {"image", "required"}


def test_outside_variables_are_not_inherited() -> None:
    """What has a meaning outside alone is scrubbed; nothing is set instead."""
    made = render.environment(["a", WorkerPath.RUN], {"mount_defaults": False})
    assert made == Environment(scrub=render.OUTSIDE, wrapper=("a", WorkerPath.RUN))
    assert {"PATH", "LD_*", "PYTHON*"} <= set(made.scrub)


# -- images


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("/i.sif", "/i.sif"),
        ("/a/../i.sif", "/i.sif"),
        ("i.sif", f"{FOLDER}/i.sif"),
        ("./i.sif", f"{FOLDER}/i.sif"),
        ("a b/i'", f"{FOLDER}/a b/i'"),
        ("a:b", f"{FOLDER}/a:b"),
        *[
            (uri, uri)
            for uri in (
                *("docker://alpine:3", "oras://r.example.org/i:1", "library://a/b/c"),
                *("shub://a/b", "http://example.org/i.sif", "https://example.org/i.sif"),
                *("docker-archive:i.tar", "oci:folder", "oci-archive:i.tar", "instance://x"),
            )
        ],
    ],
)
def test_how_images_are_written(image: str, word: str) -> None:
    """Paths are absolute, from where all relative paths start; URIs stay as they are."""
    assert render.image_word(image, {}, FOLDER) == word


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("i.sif", "./i.sif"),
        (f"{FOLDER}/i.sif", "./i.sif"),
        ("images/deep/box", "./img/deep/box"),
        ("images", "./img"),
        ("images2/i", f"{FOLDER}/images2/i"),
        ("docker://i.sif", "docker://i.sif"),
    ],
)
def test_an_image_among_the_inputs_travels(image: str, word: str) -> None:
    """What is brought to the working folder, or lies in what is, is used from there."""
    inputs = {f"{FOLDER}/i.sif": "i.sif", f"{FOLDER}/images": "img"}
    assert render.image_word(image, inputs, FOLDER) == word


@pytest.mark.parametrize("image", ["-", "--nv", "-B/etc"])
def test_an_image_that_is_an_option_is_refused(image: str) -> None:
    """No image can add an option."""
    with pytest.raises(JobError, match="is an option, not an image"):
        render.image_word(image, {}, FOLDER)


# -- mounts


@pytest.mark.parametrize(
    ("mount", "word"),
    [
        ("/a", "/a"),
        ("/a/../b", "/b"),
        ("a", f"{FOLDER}/a"),
        (".", f"{FOLDER}"),
        ("/a:/b", "/a:/b"),
        ("/a:/b:ro", "/a:/b:ro"),
        ("/a:/b:rw", "/a:/b:rw"),
        ("a b:/b", f"{FOLDER}/a b:/b"),
        ("-x:/b", f"{FOLDER}/-x:/b"),
    ],
)
def test_how_mounts_are_written(mount: str, word: str) -> None:
    """Sources are absolute; targets are as the user writes them."""
    assert render.bind(mount, FOLDER) == word


@pytest.mark.parametrize(
    "mount",
    [
        "",
        ":/a",
        "/a:",
        "/a:b",
        "/a:/b:",
        "/a:/b:x",
        "/a:/b:ro:ro",
        "/a,/b",
        "/a^",
        "/a:/b ",
        "/a\\",
    ],
)
def test_mounts_that_make_no_sense_are_refused(mount: str) -> None:
    """A mount of another form would mount something else, or nothing."""
    with pytest.raises(SettingError, match=r"apptainer\.mounts"):
        render.bind(mount, FOLDER)


@pytest.mark.parametrize("name", ["a:b", "a,b", "^a", "a ", "a\n", "a\\"])
def test_names_that_no_bind_can_hold_are_forbidden(name: str) -> None:
    """Unless the user mounts by other means."""
    [forbidden] = render.environment([], DEFAULTS).forbidden_names
    assert re.search(forbidden.pattern, f"/data/{name}")
    assert render.environment([], {**DEFAULTS, "mount_defaults": False}).forbidden_names == ()


@pytest.mark.parametrize("command", ["", "-c", "--help"])
def test_a_command_that_is_none_is_refused(command: str) -> None:
    """Neither nothing nor an option of the shell's is run as the program."""
    with pytest.raises(SettingError, match=r"apptainer\.command"):
        words(command=command)


# -- whatever the values are

_TEXTS = awkward_texts() | st.from_regex(r"-[a-zA-Z-]*( .*)?", fullmatch=True)


@given(image=_TEXTS, mounts=st.lists(_TEXTS, max_size=3), command=_TEXTS, workdir=_TEXTS)
def test_no_value_adds_an_option(image: str, mounts: list[str], command: str, workdir: str) -> None:
    """Every word is a known option, the value of the option before it, or the image at the end."""
    try:
        word = render.image_word(image, {}, FOLDER)
        job = Job(["true"], workdir=workdir)
        found = words(job, image=word, mounts=mounts, command=command, cleanenv=True)
    except (JobError, SettingError):
        return
    program, *options, last = found
    assert isinstance(program, str)
    assert isinstance(last, str)
    assert not program.startswith("-")
    assert not last.startswith("-")
    assert options.pop(0) == "--silent"
    assert options.pop(0) == "exec"
    assert options.count("--cleanenv") == 1
    options.remove("--cleanenv")
    assert set(options[::2]) == {"--bind", "--pwd"}
    own = [value for value in options[1::2] if isinstance(value, str)]
    assert len(own) == len(mounts)
    assert all(value.startswith("/") and "," not in value for value in own)


# -- further options


@pytest.mark.parametrize(
    "params",
    [
        *(["--nv"], ["--no-mount", "home,tmp"], ["--no-mount=home", "--nv"], ["-ec", "--pid"]),
        *(["-B", "/a"], ["-B/a", "-eH", "/h"], ["--env", "-x=1"], ["--env", "A=a b", "-C"]),
        *(["--an-option-of-later", "value"], ["--an-option-of-later", "--nv"], []),
    ],
)
def test_options_and_their_values_are_taken(params: list[str]) -> None:
    """Long and short, with their values beside or after them, also those of later versions."""
    assert words(additional_params=params) == [*HEAD, *BINDS, *PWD, *params, "/i.sif"]


@pytest.mark.parametrize(
    ("params", "told"),
    [
        (["--no-mount", "home", "tmp"], "'tmp' is neither an option .*home,tmp"),
        (["other.sif"], "'other.sif' is neither"),
        (["--nv", "x"], "'x' is neither"),
        (["--no-mount=home", "tmp"], "'tmp' is neither"),
        (["-e", "x"], "'x' is neither"),
        (["-B/a", "x"], "'x' is neither"),
        (["--"], "'--' is neither"),
        (["--later", "a", "b"], "'b' is neither"),
        (["--bind"], "'--bind' needs a value"),
        (["-eB"], "'-eB' needs a value"),
        (["--pwd", "/"], "use the job's workdir"),
        (["--cwd=/"], "use the job's workdir"),
        (["--help"], "no command would be run"),
    ],
)
def test_what_would_be_the_image_is_refused(params: list[str], told: str) -> None:
    """Neither a stray word nor an option without its value changes what is run."""
    with pytest.raises(SettingError, match=told):
        words(additional_params=params)
