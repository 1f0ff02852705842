"""The settings of the HTCondor plugin: every submit command by its own name, and its policies."""

from __future__ import annotations

from datetime import timedelta

from anybatch.records import Kind, Setting, from_folder

MANUAL = "https://htcondor.readthedocs.io/en/latest/man-pages/condor_submit.html"

#: Commands of a submit description, 9.0 to 25.14, that a user may set.
COMMANDS = (
    *("accounting_group", "accounting_group_user", "allowed_execute_duration"),
    *("allowed_job_duration", "append_files", "arc_application", "arc_resources", "arc_rte"),
    *("aws_region", "batch_id", "batch_name", "batch_project", "batch_queue", "batch_runtime"),
    *("concurrency_limits", "concurrency_limits_expr", "core_size", "coresize"),
    *("cron_day_of_month", "cron_day_of_week", "cron_hour", "cron_minute", "cron_month"),
    *("cron_prep_time", "cron_window", "cuda_version", "deferral_prep_time", "deferral_time"),
    *("deferral_window", "delegate_job_GSI_credentials_lifetime", "docker_network_type"),
    *("docker_override_entrypoint", "docker_pull_policy", "docker_send_credentials"),
    *("dont_encrypt_input_files", "dont_encrypt_output_files", "email_attributes"),
    *("encrypt_execute_directory", "encrypt_input_files", "encrypt_output_files"),
    *("erase_output_and_error_on_restart", "fs_remote", "gpus_maximum_capability"),
    *("gpus_minimum_capability", "gpus_minimum_memory", "gpus_minimum_runtime", "hold"),
    *("hold_kill_sig", "image_size", "job_ad_information_attrs", "job_lease_duration"),
    *("job_machine_attrs", "job_machine_attrs_history_length", "job_max_vacate_time"),
    *("keep_claim_idle", "kill_sig", "kill_sig_timeout", "leave_in_queue", "manifest"),
    *("manifest_dir", "match_list_length", "max_idle", "max_job_retirement_time"),
    *("max_materialize", "max_transfer_input_mb", "max_transfer_output_mb"),
    *("mount_under_scratch", "next_job_start_delay", "nice_user", "noop_job"),
    *("noop_job_exit_code", "noop_job_exit_signal", "notification", "notify_user"),
    *("output_destination", "periodic_hold", "periodic_hold_reason", "periodic_hold_subcode"),
    *("periodic_release", "periodic_remove", "periodic_vacate", "primary_unix_group"),
    *("priority", "rank", "remove_kill_sig", "request_cpus", "request_disk", "request_gpus"),
    *("request_memory", "require_gpus", "requirements", "run_as_owner", "scitokens_file"),
    *("skip_filechecks", "skip_if_dataflow", "stack_size", "starter_debug", "starter_log"),
    *("stream_error", "stream_input", "stream_output", "submit_event_notes"),
    *("suppress_notification", "transfer_checkpoint_files"),
    *("transfer_plugins", "universe", "use_oauth_services", "use_scitokens"),
    *("use_x509userproxy", "want_graceful_removal", "want_io_proxy", "x509userproxy"),
)

#: Those that are files of the user's; condor_submit takes relative ones from the run's folder.
PATHS = ("scitokens_file", "x509userproxy")

#: Commands that tell something of what a job asks for.
SAME = {
    "batch_name": "name",
    "priority": "urgency",
    "request_cpus": "cores",
    "request_gpus": "gpus",
}
OVERLAPS = {
    "allowed_execute_duration": {"time": ""},
    "request_cpus": {"tasks": ""},
    "request_disk": {"disk": ""},
    "request_memory": {"memory": ""},
}


def _named(*attributes: str) -> str:
    return rf"(?i)\A(\+|MY\.)({'|'.join(attributes)})="


#: Attributes that do, of HTCondor itself and of pools that have time limits of their own.
ATTRIBUTES = {
    "cores": _named("RequestCpus"),
    "tasks": _named("RequestCpus"),
    "gpus": _named("RequestGPUs"),
    "memory": _named("RequestMemory"),
    "disk": _named("RequestDisk"),
    "time": _named("AllowedExecuteDuration", "JobFlavour", "MaxRuntime", "MaxRuntimeMins"),
    "name": _named("JobBatchName"),
    "urgency": _named("JobPrio"),
}

#: Commands that anybatch itself needs, and what to use instead.
MANAGED = {
    "arguments": "use the job's command",
    "container_image": "use the job's container",
    "docker_image": "use the job's container",
    "env": "use the job's env",
    "environment": "use the job's env",
    "error": "use the job's stderr",
    "executable": "use the job's command",
    "getenv": "use the setting inherit_env",
    "initialdir": "use the job's workdir",
    "input": "use the job's stdin",
    "log": "the event log is in the run's folder",
    "output": "use the job's stdout",
    "queue": "submit several jobs",
    "should_transfer_files": "use the setting htcondor.transfer",
    "submit_event_user_notes": "use submit_event_notes",
    "transfer_executable": "use the job's inputs",
    "transfer_input_files": "use the job's inputs",
    "transfer_output_files": "use the job's outputs",
    "transfer_output_remaps": "use the job's output_dir",
    "when_to_transfer_output": "use the job's outputs",
}
#: Commands by which a job's exit code is not its end: the exit record would be, all the same.
_RERUNNING = (
    *("checkpoint_exit_code", "max_retries", "on_exit_hold", "on_exit_hold_reason"),
    *("on_exit_hold_subcode", "on_exit_remove", "retry_request_memory"),
    *("retry_request_memory_increase", "retry_request_memory_max", "retry_until"),
    *("success_exit_code", "undefined_retry_request_memory"),
)
MANAGED |= dict.fromkeys(_RERUNNING, "use the job's retry")

SETTINGS = (
    *(
        Setting(
            name=name,
            kind=Kind.OPTION,
            help=f"`{name}` of a submit description; see {MANUAL}.",
            same_as=SAME.get(name, ""),
            overlaps=OVERLAPS.get(name, {}),
            absolute=from_folder if name in PATHS else None,
        )
        for name in COMMANDS
    ),
    *(Setting(name=name, replaced_by=instead) for name, instead in MANAGED.items()),
    *(
        Setting(
            name=f"{prefix}*",
            kind=Kind.OPTION,
            help=f"Any attribute of the job, for example `{prefix}{name} = {value}`. The "
            "value is a "
            "ClassAd expression, so a string needs double quotes.",
            overlaps=ATTRIBUTES,
        )
        for prefix, name, value in (
            ("+", "JobFlavour", '"longlunch"'),
            ("MY.", "WantIOProxy", "true"),
        )
    ),
    Setting(
        name="transfer",
        choices=("auto", "shared", "native"),
        default="auto",
        help="How jobs get their files: `native`: HTCondor copies them to a scratch folder "
        "of the job; "
        "`shared`: jobs run only on machines with your FileSystemDomain; `auto`: native if any "
        "machine of the pool has another FileSystemDomain.",
    ),
    Setting(
        name="url_schemes",
        kind=Kind.LIST,
        default=("http", "https", "ftp", "osdf", "pelican"),
        help="Kinds of addresses that machines of the pool fetch as inputs, if HTCondor copies the "
        "files of jobs.",
    ),
    Setting(
        name="on_held",
        choices=("wait", "release", "fail"),
        default="wait",
        help="What to do with held jobs: `wait`: leave them held; `release`: release them "
        "a few times; "
        "`fail`: remove them, as failed. Jobs over their time limit always fail; jobs that a user "
        "holds always wait.",
    ),
    Setting(
        name="release_times",
        kind=Kind.INTEGER,
        default=3,
        help="How often a job is released if `on_held` is `release`. After that it stays held.",
    ),
    Setting(
        name="release_pause",
        kind=Kind.DURATION,
        default=timedelta(minutes=5),
        help="Minimum time that a job is held before it is released.",
    ),
    Setting(
        name="container",
        choices=("native",),
        help="`native`: the pool runs the job in its container (`container_image`), instead of a "
        "wrapper such as Apptainer.",
    ),
    Setting(
        name="late_from",
        kind=Kind.INTEGER,
        default=20_000,
        help="Submissions with more jobs than this are materialized late: the queue has at most "
        "`max_idle` idle jobs at a time.",
    ),
)
