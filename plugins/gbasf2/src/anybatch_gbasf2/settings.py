"""The settings of the gbasf2 plugin."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETUP = "/cvmfs/belle.kek.jp/grid/gbasf2/pro/bashrc"

SETTINGS = (
    # what is run
    Setting(
        name="custom_steering_file",
        help="Steering file that the grid jobs run. The job's command must be `basf2 FILE`.",
    ),
    Setting(
        name="pickle_file",
        help="Pickled basf2 path that the grid jobs run instead; `anybatch_gbasf2.path_job` "
        "writes it.",
    ),
    Setting(
        name="jinja_template_path",
        help="File with a jinja2 template of the steering file for a pickled path. It can use "
        "`pickle_file_path` and `max_event` (default: the plugin's own template).",
    ),
    Setting(name="jinja_template", help="The template itself, instead of a file."),
    Setting(
        name="max_event",
        kind=Kind.INTEGER,
        default=0,
        help="Number of events that each grid job of a pickled path processes; 0 for all.",
    ),
    Setting(
        name="release",
        help="basf2 release of the grid jobs (default: BELLE2_RELEASE, unless that is `head`).",
    ),
    Setting(
        name="additional_files",
        kind=Kind.LIST,
        default=(),
        help="Further files to send with the steering file (`-f`).",
    ),
    # the project
    Setting(
        name="project_name_prefix",
        help="Start of the project's name. A hash of the job follows: the same job always has the "
        "same project, and a changed job needs no new prefix.",
    ),
    Setting(
        name="project_name_hash_length",
        kind=Kind.INTEGER,
        default=10,
        help="Length of the hash, 6 to 10; prefix plus hash may be at most 32 characters.",
    ),
    Setting(name="project_name", help="Full name of the project, instead of prefix and hash."),
    Setting(
        name="project_lpn_path",
        help="Folder on the grid for the project's dataset (default: the user's). Required for "
        "groups other than `belle`.",
    ),
    Setting(
        name="jobs",
        kind=Kind.INTEGER,
        help="Number of jobs in the run. Default: one for each input file, as the grid reports, or "
        "a single one if gbasf2 groups files.",
    ),
    Setting(
        name="content_digest",
        help="Set by the plugin: a digest of the job's files when it was planned. The job "
        "is refused "
        "if they have changed when it is submitted.",
    ),
    Setting(
        name="user",
        help="User on the grid (default: the user of the proxy, even if it has expired).",
    ),
    # input
    Setting(
        name="input_dataset",
        kind=Kind.LIST,
        default=(),
        help="Input datasets on the grid (`-i`). Either this or `input_dslist` is required.",
    ),
    Setting(name="input_dslist", help="File with one dataset or grid file per line, instead."),
    Setting(
        name="input_datafiles",
        kind=Kind.LIST,
        default=(),
        help="Further grid files for every job, for example background (`--input_datafiles`).",
    ),
    Setting(
        name="input_grouping",
        choices=("site", "size"),
        help="How gbasf2 groups input files into jobs (`--input_grouping`).",
    ),
    Setting(
        name="n_repetition_job",
        kind=Kind.INTEGER,
        help="How often to process each input (`--repetition`).",
    ),
    # options of gbasf2
    Setting(
        name="force_submission",
        kind=Kind.FLAG,
        default=True,
        help="Submit without confirmation (`--force`). If false, gbasf2 asks, and the plugin "
        "answers Y.",
    ),
    Setting(name="noscout", kind=Kind.FLAG, default=False, help="No scout jobs (`--noscout`)."),
    Setting(
        name="lfn_sandboxfiles",
        kind=Kind.FLAG,
        default=False,
        help="Send files larger than 10 MB through the grid (`--lfn_sandboxfiles`).",
    ),
    Setting(name="cputime", kind=Kind.INTEGER, help="CPU time per job in minutes (`--cputime`)."),
    Setting(
        name="evtpersec",
        kind=Kind.NUMBER,
        help="Events per second, instead of the CPU time (`--evtpersec`).",
    ),
    Setting(name="priority", kind=Kind.INTEGER, help="Priority, from 0 to 10 (`--priority`)."),
    Setting(name="jobtype", help="Job type on the grid (`--jobtype`)."),
    Setting(name="basf2opt", help="Options for basf2 in the jobs (`--basf2opt`)."),
    Setting(
        name="additional_params",
        help="Further arguments for gbasf2, separated and quoted as in a shell.",
    ),
    # after the jobs
    Setting(
        name="max_retries",
        kind=Kind.INTEGER,
        default=0,
        help="How often to reschedule a failed job.",
    ),
    Setting(
        name="download_dataset",
        kind=Kind.FLAG,
        default=True,
        help="Download the outputs. A job is done only when its outputs are here and complete.",
    ),
    Setting(
        name="download_to",
        help="Where to create a folder with the project's name (default: the job's "
        "`output_dir`, or "
        "else the folder where you submit).",
    ),
    Setting(
        name="download_logs",
        kind=Kind.FLAG,
        default=True,
        help="Download the logs of ended jobs to the run's folder.",
    ),
    Setting(
        name="additional_download_params",
        default="--new",
        help="Further arguments for gb2_ds_get, separated and quoted as in a shell.",
    ),
    Setting(
        name="print_status_updates",
        kind=Kind.FLAG,
        default=True,
        help="If one job of the run stands for several grid jobs, report how many are in "
        "each state.",
    ),
    # the client
    Setting(name="setup_path", default=SETUP, help="Setup script of the grid client."),
    Setting(name="proxy_group", default="belle", help="Group of the proxy (JobGroup)."),
    Setting(
        name="proxy_lifetime",
        kind=Kind.INTEGER,
        default=24,
        help="Lifetime of a new proxy in hours.",
    ),
    Setting(
        name="min_proxy_lifetime",
        kind=Kind.INTEGER,
        default=0,
        help="Minimum remaining lifetime of the proxy at submission, in hours. While jobs are "
        "watched on a terminal, a proxy with less is renewed.",
    ),
)
