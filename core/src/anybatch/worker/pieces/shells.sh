# ---- shells: what bash, dash and busybox do differently, and what in them has to be got round

LC_ALL=C # the shell's own words are read below, and its start is quicker
# bash where it is there, because scripts to be sourced are written for it; any POSIX shell does.
if [ -z "${BASH_VERSION-}" ] && command -v bash >/dev/null 2>&1; then
    unset BASH_ENV ENV
    exec bash "$0" "$@"
fi
[ -z "${BASH_VERSION-}" ] || set +o posix
unset CDPATH
ab_shares='' ab_apart='' # later pieces say that jobs share folders, and that they must not

ab_pick_line() { # FILE NUMBER; sets ab_line to the line after so many
    if [ -n "${BASH_VERSION-}" ]; then
        mapfile -t -n 1 -s "$2" ab_line <"$1"
    else
        ab_line=$(sed -n "$(($2 + 1)){p;q;}" "$1")
    fi
}

# busybox's own `read` (1.38) returns nothing, or never, once a signal was caught.
ab_read_first() { # FILE; sets ab_first to its first line
    if [ -n "${BASH_VERSION-}" ]; then
        read -r ab_first <"$1"
    else
        ab_first=$(sed q "$1")
    fi
} 2>/dev/null

ab_find_self() { # sets ab_self to the number of this very process
    ab_self=${BASHPID:-$(exec /bin/sh -c 'echo "$PPID"')}
}

ab_read_clock() { # sets ab_now, in seconds since 1970
    if [ -n "${BASH_VERSION-}" ]; then
        printf -v ab_now '%(%s)T' -1
    else
        ab_now=$(date +%s)
    fi
}

# $? does not tell "Killed" from "Exit 137"; the shell's list of its jobs does. dash and busybox sh
# keep a job on it until the next one starts, and their wait would end at a trapped CHLD. bash
# takes it off when it was waited for, hence the trap. And bash loses the status of a child that
# ends in the moment of a trapped signal (5.2: CHECK_WAIT_INTR after waitpid in jobs.c), as the
# child does when the whole process group is sent one. So there a process that is deaf to signals
# waits for the command, and writes down what it sees.
ab_start_command() { # COMMAND...; sets ab_child, which has the exit status
    if [ -n "${BASH_VERSION-}" ]; then
        (ab_watch_command "$@") &
    else
        (ab_heed_missed; ab_"$ab_launch" "$@") <"$ab_stdin" & # else & gives it nothing to read
    fi
    ab_child=$!
}

ab_watch_command() { # COMMAND...
    trap 'jobs -l >>"$ab_start"' CHLD
    ab_watcher=$BASHPID
    (ab_await_watcher; ab_"$ab_launch" "$@") <"$ab_stdin" &
    trap '' $ab_signals
    # Not `jobs`, here: bash 5.2 may lose its way when the command ends at the same moment.
    echo "[1] $! Running" >>"$ab_start"
    wait "$!" 2>/dev/null
    ab_status=$?
    trap - CHLD
    echo "status $ab_status" >>"$ab_start"
    exit "$ab_status"
}

# bash 5.3 takes a child off its list at once that ends in the moment in which the wait for it
# begins. So the command begins when its watcher sleeps.
ab_await_watcher() {
    case $BASH_VERSION in
    [1-4].* | 5.[0-2].*) return ;;
    esac
    while read -r ab_stat <"/proc/$ab_watcher/stat"; do
        case $ab_stat in
        *") R "*) ;;
        *) return ;;
        esac
    done 2>/dev/null
}

ab_find_command() { # sets ab_pid; fails where the command has ended
    ab_pid=$ab_child
    [ -n "${BASH_VERSION-}" ] || return 0
    until read -r ab_line ab_pid ab_line <"$ab_start"; do
        kill -0 "$ab_child" 2>/dev/null || return
        sleep 0.01
    done
}

ab_list_jobs() { # bash has written its list when it was time
    [ -n "${BASH_VERSION-}" ] || jobs -l >>"$ab_start"
}

ab_read_start() { # sets ab_line to all that is in it
    if [ -n "${BASH_VERSION-}" ]; then
        read -r -d '' ab_line <"$ab_start" || :
    else
        ab_line=$(cat "$ab_start")
    fi
}

ab_let_signals_end_it() { # and not the trap for EXIT, which bash runs for signals too
    [ -n "${BASH_VERSION-}" ] || return 0
    for ab_signal in $ab_signals; do
        trap "trap - EXIT $ab_signal; kill -s $ab_signal \"\$BASHPID\"" "$ab_signal"
    done
}

ab_forget_traps() {
    trap - EXIT $ab_signals
    [ -z "${BASH_VERSION-}" ] || [ "$ab_where" = inside ] || ab_heed_missed
}

ab_heed_missed() { # a signal that arrives while a shell takes its traps away is lost
    [ -s "$ab_start" ] || return 0
    ab_read_start
    case $ab_nl$ab_line in
    *"${ab_nl}caught "*)
        ab_line=${ab_line##*caught }
        exec /bin/sh -c 'kill -s "$0" "$$"; exit 1' "${ab_line%%"$ab_nl"*}"
        ;;
    esac
}

ab_exec() { # COMMAND...
    ab_explain "$1"
    # dash and its like keep INT and QUIT ignored for good; env (coreutils 8.31) undoes it.
    if [ -z "${BASH_VERSION-}" ] && env --default-signal=INT true 2>/dev/null; then
        case $1 in
        *=*) ;;
        *) exec env --default-signal=INT,QUIT -- "$@" ;;
        esac
    fi
    exec "$@"
}

# bash runs the trap for EXIT also when a signal ends it that is not trapped, and in a child that has
# not become its own yet.
ab_is_itself() {
    [ "${BASHPID:-$$}" -eq "$$" ]
}
