# ---- setup: env_script, and the lines that are run before the command

ab_load_env_script() { # a function, so that the script does not see the command as its "$@"
    # Where files travel with the job, a copy is there for machines that do not have the original.
    [ -e "$ab_env_script" ] || [ ! -e "$ab_own/env_script" ] || ab_env_script=$ab_own/env_script
    . "$ab_env_script"
}

ab_setup_line() { # LINE
    ab_doing="setup: $1"
    ab_eval "$1"
    ab_must "$?"
}
