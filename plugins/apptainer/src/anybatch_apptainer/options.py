"""The words of `apptainer exec`: which are options, values or images. Pure.

The options are those of Apptainer 1.4.5 (`apptainer exec --help`).
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING

from anybatch.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(docker-archive|docker-daemon|oci|oci-archive):")
#: Options whose value is the next word, where it does not follow `=`.
_VALUED = frozenset(
    {
        *("add-caps", "app", "apply-cgroups", "authfile", "bind", "blkio-weight"),
        *("blkio-weight-device", "cpu-shares", "cpus", "cpuset-cpus", "cpuset-mems", "dns"),
        *("docker-host", "drop-caps", "env", "env-file", "fusemount", "home", "hostname"),
        *("memory", "memory-reservation", "memory-swap", "mount", "netns-path", "network"),
        *("network-args", "no-mount", "overlay", "pem-path", "pids-limit", "scratch", "security"),
        *("workdir", "B", "H", "o", "S", "W"),
    }
)
_FLAGS = frozenset(
    {
        *("allow-setuid", "cleanenv", "compat", "contain", "containall", "disable-cache"),
        *("docker-login", "fakeroot", "ipc", "keep-privs", "net", "no-eval", "no-home"),
        *("no-https", "no-init", "no-pid", "no-privs", "no-umask", "nv", "nvccli"),
        *("oom-kill-disable", "passphrase", "pid", "rocm", "sharens", "unsquash", "userns"),
        *("uts", "writable", "writable-tmpfs", "e", "c", "C", "f", "i", "n", "p", "u", "w"),
    }
)
#: Options of which anybatch itself gives one, and what to use instead.
_MANAGED = {
    **dict.fromkeys(("pwd", "cwd"), "use the job's workdir"),
    **dict.fromkeys(("help", "h"), "no command would be run"),
}


def is_uri(image: str) -> bool:
    """Whether *image* lies elsewhere (`docker://...`), so that nothing here can tell of it."""
    return _URI.match(image) is not None


def checked_options(words: Sequence[str]) -> Sequence[str]:
    """The words of `additional_params`, each an option or the value of the one before it.

    Raises:
        SettingError: a word that would be taken for the image, an option that would take the image
            for its value, or one that anybatch itself gives.
    """
    takes = _Takes.NOTHING
    for word in words:
        is_value = takes is _Takes.VALUE or (takes is _Takes.PERHAPS and not word.startswith("-"))
        if is_value:
            takes = _Takes.NOTHING
            continue
        if not word.startswith("-") or word in ("-", "--"):
            raise SettingError(
                f"apptainer.additional_params: {word!r} is neither an option nor the value of one, "
                f"and apptainer would take it for the image. A value with a comma in it is written "
                f'in a list: ["--no-mount", "home,tmp"]'
            )
        takes = _takes(word)
    if takes is _Takes.VALUE:
        raise SettingError(f"apptainer.additional_params: {words[-1]!r} needs a value")
    return words


class _Takes(enum.Enum):
    """What an option does with the next word."""

    NOTHING = "nothing"
    VALUE = "value"
    PERHAPS = "perhaps"  #: it is not known here


def _takes(word: str) -> _Takes:
    """What the option does with the next word.

    Raises:
        SettingError: anybatch itself gives this option.
    """
    names, equals, _ = word.removeprefix("--").partition("=")
    if not word.startswith("--"):  # several letters, the last of them perhaps with its value
        letters = names[1:]
        names = next((one for one in letters if one not in _FLAGS), letters[-1])
        equals = equals or letters[letters.index(names) + 1 :]
    if names in _MANAGED:
        raise SettingError(f"apptainer.additional_params: {word!r}: {_MANAGED[names]}")
    if equals or names in _FLAGS:
        return _Takes.NOTHING
    return _Takes.VALUE if names in _VALUED else _Takes.PERHAPS
