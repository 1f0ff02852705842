"""The settings of the gbasf2 plugin."""

from __future__ import annotations

from anybatch.records import Kind, Setting

SETUP = "/cvmfs/belle.kek.jp/grid/gbasf2/pro/bashrc"

SETTINGS = (
    # what is run
    Setting(
        name="custom_steering_file",
        help="The steering file that grid jobs run; the job's command is `basf2 FILE`.",
    ),
    Setting(
        name="pickle_file",
        help="A pickled basf2 path that grid jobs run instead; `anybatch_gbasf2.path_job` "
        "writes it.",
    ),
    Setting(
        name="jinja_template_path",
        help="Template (jinja2) of the steering file around a pickled path, with "
        "`pickle_file_path` and `max_event`; default: the plugin's own.",
    ),
    Setting(name="jinja_template", help="The template itself, instead of a file with it."),
    Setting(
        name="max_event",
        kind=Kind.INTEGER,
        default=0,
        help="Events that each grid job processes of a pickled path; 0: all.",
    ),
    Setting(
        name="release",
        help="basf2 release that grid jobs use; default: BELLE2_RELEASE, unless that is `head`.",
    ),
    Setting(
        name="additional_files",
        kind=Kind.LIST,
        default=(),
        help="Further files that travel with the steering file (`-f`).",
    ),
    # the project
    Setting(
        name="project_name_prefix",
        help="Begin of the project's name. A hash of the job follows, so the same job has the "
        "same project, and another one needs no new prefix.",
    ),
    Setting(
        name="project_name_hash_length",
        kind=Kind.INTEGER,
        default=10,
        help="Characters of the hash, 6 to 10; prefix and hash are 32 at most.",
    ),
    Setting(name="project_name", help="The whole name, instead of prefix and hash."),
    Setting(
        name="project_lpn_path",
        help="Folder on the grid that the project's dataset goes to; default: the user's. "
        "A must for groups other than `belle`.",
    ),
    Setting(
        name="jobs",
        kind=Kind.INTEGER,
        help="How many jobs of the run the project's grid jobs are; default: one for each input "
        "file, for which the grid is asked, or one for all where gbasf2 groups files.",
    ),
    Setting(
        name="content_digest",
        help="Set by the plugin: what the files of the job were when it was planned. One that "
        "has changed when the job's turn comes is not submitted.",
    ),
    Setting(name="user", help="User on the grid; default: the one of the proxy, even an expired."),
    # input
    Setting(
        name="input_dataset",
        kind=Kind.LIST,
        default=(),
        help="Datasets on the grid that are read (`-i`); this or `input_dslist` is a must.",
    ),
    Setting(name="input_dslist", help="A file with a dataset or grid file in each line, instead."),
    Setting(
        name="input_datafiles",
        kind=Kind.LIST,
        default=(),
        help="Further grid files for every job, such as background (`--input_datafiles`).",
    ),
    Setting(
        name="input_grouping",
        choices=("site", "size"),
        help="How gbasf2 groups input files to jobs (`--input_grouping`).",
    ),
    Setting(
        name="n_repetition_job",
        kind=Kind.INTEGER,
        help="How often each input is processed (`--repetition`).",
    ),
    # options of gbasf2
    Setting(
        name="force_submission",
        kind=Kind.FLAG,
        default=True,
        help="Submit without being asked (`--force`); where false, gbasf2 asks, and the answer "
        "is Y.",
    ),
    Setting(name="noscout", kind=Kind.FLAG, default=False, help="No scout jobs (`--noscout`)."),
    Setting(
        name="lfn_sandboxfiles",
        kind=Kind.FLAG,
        default=False,
        help="Files of more than 10 MB travel through the grid (`--lfn_sandboxfiles`).",
    ),
    Setting(name="cputime", kind=Kind.INTEGER, help="CPU time of a job in minutes (`--cputime`)."),
    Setting(
        name="evtpersec",
        kind=Kind.NUMBER,
        help="Events in a second, instead of the CPU time (`--evtpersec`).",
    ),
    Setting(name="priority", kind=Kind.INTEGER, help="From 0 to 10 (`--priority`)."),
    Setting(name="jobtype", help="The grid's type of job (`--jobtype`)."),
    Setting(name="basf2opt", help="Options of basf2 in the jobs (`--basf2opt`)."),
    Setting(
        name="additional_params",
        help="Further words for gbasf2, separated and quoted as in a shell.",
    ),
    # after the jobs
    Setting(
        name="max_retries",
        kind=Kind.INTEGER,
        default=0,
        help="How often a job that failed is rescheduled.",
    ),
    Setting(
        name="download_dataset",
        kind=Kind.FLAG,
        default=True,
        help="Download the outputs. A job is done when they are there and complete.",
    ),
    Setting(
        name="download_to",
        help="Folder that a folder with the project's name goes to; default: the job's "
        "`output_dir`, else where it was submitted.",
    ),
    Setting(
        name="download_logs",
        kind=Kind.FLAG,
        default=True,
        help="Download the logs of jobs that have ended to the run's folder.",
    ),
    Setting(
        name="additional_download_params",
        default="--new",
        help="Further words for gb2_ds_get, separated and quoted as in a shell.",
    ),
    Setting(
        name="print_status_updates",
        kind=Kind.FLAG,
        default=True,
        help="Tell how many grid jobs are in each state where one job of the run stands for them.",
    ),
    # the client
    Setting(name="setup_path", default=SETUP, help="The setup script of the grid client."),
    Setting(
        name="proxy_group", default="belle", help="JobGroup that the proxy is made and used for."
    ),
    Setting(
        name="proxy_lifetime",
        kind=Kind.INTEGER,
        default=24,
        help="Hours that a new proxy is good for.",
    ),
    Setting(
        name="min_proxy_lifetime",
        kind=Kind.INTEGER,
        default=0,
        help="Hours that a proxy has to be good for at submission; while jobs are watched, one "
        "with less is renewed where there is a terminal.",
    ),
)
