# ---- inside: the child, or the container, that becomes the command

ab_inside() { # COMMAND...
    [ "$ab_where" = outside ] || echo inside >>"$ab_start" || exit 1
    # A shell lets what it starts in the background ignore these; bash undoes it only now.
    trap - INT QUIT
    ab_doing="inherited variables"
    ab_let_signals_end_it
    trap 'ab_setup_failed "$?"' EXIT
    unset LC_ALL
    ab_inherit
    ab_must "$?"
    if [ -n "$ab_env_script" ]; then
        ab_doing="env_script $ab_env_script"
        ab_load_env_script
        ab_must "$?"
        set +eu
    fi
    ab_doing="env"
    ab_env
    ab_must "$?"
    ab_setup
    ab_forget_traps
    ab_exec "$@"
}

ab_explain() { # PROGRAM: the last word where it cannot be started
    case $1 in
    */*)
        if [ ! -e "$1" ]; then
            ab_refuse 127 "command not found: $1"
        elif [ -d "$1" ]; then
            ab_refuse 126 "cannot execute: $1 is a folder"
        elif [ ! -x "$1" ]; then
            ab_refuse 126 "cannot execute: no permission to execute $1"
        fi
        ;;
    *) command -v -- "$1" >/dev/null 2>&1 || ab_refuse 127 "command not found: $1" ;;
    esac
}

ab_refuse() { # STATUS TEXT
    echo "anybatch: job $ab_index: $2" >&2
    exit "$1"
}

ab_eval() { # LINE; a function, so that a `return` leaves nothing but the line
    eval "$1"
}

ab_must() { # STATUS; no `||` stands after what is checked, for that would switch off `set -e`
    [ "$1" -eq 0 ] || ab_setup_failed "$1"
}

ab_setup_failed() { # STATUS; 0: it left the shell
    trap - EXIT
    echo "anybatch: job $ab_index: ended with status $1: $ab_doing" >&2
    true >"$ab_run/exit/$ab_folder/$ab_key.setup-$1"
    [ "$1" -ne 0 ] || exit 1
    exit "$1"
}

ab_record_setup() { # if it has failed; inside only notes it, for a record is a job's last word
    for ab_file in "$ab_run/exit/$ab_folder/$ab_key.setup-"*; do
        [ -e "$ab_file" ] || return 1
        ab_caught=''
        ab_record setup exit "${ab_file##*-}"
        rm -f -- "$ab_file"
    done
}
