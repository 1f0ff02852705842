"""Which settings there are: the core's own, and those that plugins declare."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import attrs

from anybatch.declarations import from_folder
from anybatch.errors import did_you_mean
from anybatch.notifying import targets
from anybatch.notifying.request import END, MOMENTS, SECURITY
from anybatch.records import Kind, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable

CORE = "anybatch"  #: the table of the core's own settings; in files they stand at the top
JOB = "job"  #: the table with defaults for jobs, see `planning.job_defaults`
TRUST = "trust"  #: the setting that names files of others that are believed
CORE_SETTINGS = (
    Setting(
        name="system",
        default="auto",
        help="Batch system to use; `auto` selects the best one available.",
    ),
    Setting(
        name="inherit_env",
        kind=Kind.LIST,
        default=(
            "PATH",
            "LD_LIBRARY_PATH",
            "PYTHONPATH",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "MODULEPATH",
            "LANG",
            "LC_*",
            "TZ",
        ),
        help="Environment variables (names or patterns) that jobs inherit from the submitting "
        "program. `*` means all except those that batch systems set.",
    ),
    Setting(
        name="runs_dir",
        help="Folder for run folders; the workers must see it. Default: `.anybatch/runs` beside "
        "`anybatch.toml`, or in the current folder if there is no such file.",
    ),
    Setting(
        name="max_jobs",
        kind=Kind.INTEGER,
        default=1_000_000,
        help="Most jobs of a run; a submission of more, or of what has no end, is refused.",
    ),
    Setting(
        name="copy_limit",
        kind=Kind.SIZE,
        default="1 GiB",
        help="Most that `copy_inputs` copies into the folder of a run; a run with more is refused.",
    ),
    Setting(
        name="scratch_dir",
        help="Folder on the node's own disk for `scratch` (default: `$TMPDIR`, else `/tmp`) and "
        "`setup_once` (default: `/tmp`).",
    ),
    Setting(
        name="setup_once_timeout",
        kind=Kind.DURATION,
        default="30m",
        help="How long a job waits for the `setup_once` of another job on its node.",
    ),
    Setting(
        name="cleanup_timeout",
        kind=Kind.DURATION,
        default="1m",
        help="Time limit for the `cleanup` lines of a job.",
    ),
    Setting(
        name="check_resources",
        kind=Kind.FLAG,
        default=True,
        help="Refuse a job that asks for more than any node of the batch system has.",
    ),
    Setting(
        name="checkpoint_exit_code",
        kind=Kind.INTEGER,
        default=85,
        help="Exit code by which a job with `checkpoint` says that it wants to be run again.",
    ),
    Setting(
        name="submit_timeout",
        kind=Kind.DURATION,
        default="2m",
        help="Time limit for a submit command. When it expires, anybatch checks whether the jobs "
        "arrived. Plugins may add time for each job.",
    ),
    Setting(
        name="poll_interval",
        kind=Kind.DURATION,
        default="15s",
        help="Minimum interval between status queries. The interval grows with the age of the jobs "
        "and the cost of a query.",
    ),
    Setting(
        name="lost_after",
        kind=Kind.DURATION,
        default="2m",
        help="Time after which a job that no source knows is declared lost.",
    ),
    Setting(
        name="max_running",
        kind=Kind.INTEGER,
        help="Most jobs of a run that run at once; default: as many as the batch system runs.",
    ),
    Setting(
        name="max_queued",
        kind=Kind.INTEGER,
        help="Most jobs of a run that wait in the batch system at once; the others are handed over "
        "as room comes.",
    ),
    Setting(
        name="max_running_total",
        kind=Kind.INTEGER,
        help="Most jobs of all your runs on a batch system that run at once. For your own settings "
        "file: it holds for the programs that read it.",
    ),
    Setting(
        name="max_queued_total",
        kind=Kind.INTEGER,
        help="Most jobs of all your runs that wait in a batch system at once; likewise.",
    ),
    Setting(
        name="notify",
        kind=Kind.LIST,
        default=(),
        absolute=targets.from_folder,
        shown=targets.shown_text,
        help="Whom to tell how a run ended: `mail`, `mail:ADDRESS`, `https://...`, `desktop`, "
        "`command:WORDS`, `@FILE` (one of these a line), or `none`.",
    ),
    Setting(
        name="notify_on",
        default=END,
        choices=MOMENTS,
        help="When to tell: at the `end` of a run, or only on `failure`, which is an end with a "
        "job that is not done.",
    ),
    Setting(
        name="smtp_host",
        help="Server that takes mail. Default: mail is handed to the program `sendmail`.",
    ),
    Setting(
        name="smtp_port",
        kind=Kind.INTEGER,
        help="Its port. Default: 587, 465 or 25 for `starttls`, `tls` and `none`.",
    ),
    Setting(
        name="smtp_security",
        default="starttls",
        choices=SECURITY,
        help="How the connection to `smtp_host` is encrypted; its certificate is verified.",
    ),
    Setting(
        name="smtp_user",
        help="User who logs in to `smtp_host`. Default: nobody logs in.",
    ),
    Setting(
        name="smtp_password_file",
        absolute=from_folder,
        help="File with the password, which only you can read. The environment variable "
        "`ANYBATCH_SMTP_PASSWORD` is used instead if it is set where the end is seen.",
    ),
    Setting(
        name="mail_from",
        help="Address that mail is from. Default: `sendmail` fills it in; with `smtp_host`, the "
        "address of the receiver.",
    ),
    Setting(
        name=TRUST,
        kind=Kind.LIST,
        default=(),
        help="Settings files, or folders with such files, that are read although others can write "
        "them. Only in your own settings file or the environment.",
    ),
)


class SettingsSchema(dict[str, Setting]):
    """A plugin's settings by name. A name with `*` stands for all names that match it.

    Attributes:
        refused: what to use instead of those that cannot be set.
    """

    def __init__(self, settings: Iterable[Setting] = ()) -> None:
        super().__init__()
        self.refused: dict[str, str] = {}
        for setting in settings:
            self.add(setting)

    def add(self, setting: Setting) -> None:
        """Take one more setting."""
        if setting.replaced_by:
            self.refused[setting.name] = setting.replaced_by
        else:
            self[setting.name] = setting

    def hint(self, name: str) -> str:
        """What the user may have meant by a name that is none of these."""
        instead = next((self.refused[key] for key in self.refused if same_name(key, name)), "")
        return f": {instead}" if instead else did_you_mean(name, self)

    def __contains__(self, name: object) -> bool:
        return "*" not in str(name) and (
            super().__contains__(name) or self._pattern(str(name)) is not None
        )

    def __missing__(self, name: str) -> Setting:
        pattern = self._pattern(name)
        if pattern is None:
            raise KeyError(name)
        return attrs.evolve(self[pattern], name=name)

    def _pattern(self, name: str) -> str | None:
        return next((p for p in self if "*" in p and fnmatch.fnmatchcase(name, p)), None)


def same_name(name: str, other: str) -> bool:
    """Whether two spellings mean one setting: `JOB_NAME` is `job-name`."""
    return name.lower().replace("_", "-") == other.lower().replace("_", "-")
