# ---- How a job is run ------------------------------------------------------------------------
#
# outside: logs, working folder, files in, the command, files out, the exit record
# inside:  (in a child, or in the container) variables, env_script, env, setup, the command itself
#
# An exit record is an empty file whose name says it all, so making it is one step:
#     exit/PAGE/INDEX.ATTEMPT.RESTARTS.PHASE.exit-CODE[.SIGNAL CAUGHT BY THE SCRIPT]
#     exit/PAGE/INDEX.ATTEMPT.RESTARTS.PHASE.signal-NUMBER[...]

LC_ALL=C # the shell's own words are read below, and its start is quicker
# bash where it is there, because scripts to be sourced are written for it; any POSIX shell does.
if [ -z "${BASH_VERSION-}" ] && command -v bash >/dev/null 2>&1; then
    unset BASH_ENV ENV
    exec bash "$0" "$@"
fi
[ -z "${BASH_VERSION-}" ] || set +o posix
unset CDPATH

ab_fail() { # TEXT
    echo "anybatch: job $ab_index: $1" >&2
    exit 1
}

ab_read_task() {
    ab_file=$ab_run/tasks/$ab_submission.$(((ab_task - 1) / ab_page))
    ab_before=$(((ab_task - 1) % ab_page))
    if [ -n "${BASH_VERSION-}" ]; then
        mapfile -t -n 1 -s "$ab_before" ab_line <"$ab_file"
    else
        ab_line=$(sed -n "$((ab_before + 1)){p;q;}" "$ab_file")
    fi
    if [ -z "$ab_line" ]; then
        echo "anybatch: task $ab_task is not in $ab_file" >&2
        exit 1
    fi
}

ab_name_records() {
    read -r ab_host </proc/sys/kernel/hostname 2>/dev/null || ab_host=$(uname -n)
    if [ -n "${BASH_VERSION-}" ]; then
        printf -v ab_now '%(%s)T' -1
    else
        ab_now=$(date +%s)
    fi
    ab_key=$ab_index.$ab_attempt.$ab_restarts
    ab_folder=$((ab_index / ab_jobs))
    for ab_file in exit start; do # they are there already, unless the files of a job are moved
        [ -d "$ab_run/$ab_file/$ab_folder" ] || mkdir -p -- "$ab_run/$ab_file/$ab_folder"
    done
    ab_start=$ab_run/start/$ab_folder/$ab_key.$ab_now.$ab_host
}

ab_record() { # PHASE exit|signal NUMBER
    true >"$ab_run/exit/$ab_folder/$ab_key.$1.$2-$3${ab_caught:+.$ab_caught}"
}

# ---- inside

ab_load_env_script() { # a function, so that the script does not see the command as its "$@"
    # Where files travel with the job, a copy is there for machines that do not have the original.
    [ -e "$ab_env_script" ] || [ ! -e "$ab_run/env_script" ] || ab_env_script=$ab_run/env_script
    . "$ab_env_script"
}

ab_setup_line() { # LINE
    ab_doing="setup: $1"
    ab_eval "$1"
    ab_must "$?"
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

ab_read_start() { # busybox's own `read` (1.38) never returns once a signal was caught
    if [ -n "${BASH_VERSION-}" ]; then
        read -r -d '' ab_line <"$ab_start" || :
    else
        ab_line=$(cat "$ab_start")
    fi
}

ab_exec() { # COMMAND...
    # dash and its like keep INT and QUIT ignored for good; env (coreutils 8.31) undoes it.
    if [ -z "${BASH_VERSION-}" ] && env --default-signal=INT true 2>/dev/null; then
        case $1 in
        *=*) ;;
        *) exec env --default-signal=INT,QUIT -- "$@" ;;
        esac
    fi
    exec "$@"
}

# ---- outside

ab_open_logs() {
    : "${ab_stdout:=$ab_run/logs/$ab_folder$ab_log_suffix/$ab_index.out}"
    : "${ab_stderr:=$ab_run/logs/$ab_folder$ab_log_suffix/$ab_index.err}"
    for ab_log in "$ab_stdout" "$ab_stderr"; do
        [ -d "${ab_log%/*}" ] || mkdir -p -- "${ab_log%/*}" || return 1
        if [ "$ab_restarts" -eq 0 ]; then true >"$ab_log"; else true >>"$ab_log"; fi || return 1
    done
    exec >>"$ab_stdout"
    if [ "$ab_stdout" = "$ab_stderr" ]; then exec 2>&1; else exec 2>>"$ab_stderr"; fi
    true <"$ab_stdin"
}

ab_enter_workdir() {
    [ -z "$ab_make_workdir" ] || mkdir -p -- "$ab_workdir" || return 1
    cd -- "$ab_workdir"
}

ab_note_file() { # PATH
    [ ! -e "$1" ] || ab_files=$ab_files${ab_files:+,}$1
}

ab_link() { # SOURCE DESTINATION
    ab_note_file "$1"
    ab_place "$1" "$2" ln -s
}

ab_copy() { # SOURCE DESTINATION
    ab_place "$1" "$2" cp -R -p
}

ab_place() { # SOURCE DESTINATION COMMAND...
    ab_source=$1 ab_target=$2
    shift 2
    [ -e "$ab_source" ] || ab_fail "input $ab_source is not there"
    [ "$ab_source" -ef "$ab_target" ] && return
    case $ab_target in
    */*) mkdir -p -- "${ab_target%/*}" || ab_fail "cannot make ${ab_target%/*} for an input" ;;
    esac
    # Another job of the run may put the same file there at the same moment.
    "$@" -- "$ab_source" "$ab_target" 2>/dev/null || [ "$ab_source" -ef "$ab_target" ] ||
        cmp -s -- "$ab_source" "$ab_target" ||
        ab_fail "input $ab_source: another file $ab_target is in the working folder"
}

ab_collect() { # PATTERN MATCH...
    ab_pattern=$1
    shift
    if [ "$#" -eq 0 ] || { [ ! -e "$1" ] && [ ! -L "$1" ]; }; then
        if [ "$ab_status" -eq 0 ]; then
            echo "anybatch: job $ab_index: output $ab_pattern: nothing matches in $PWD" >&2
            ab_missing=1
        fi
        return
    fi
    [ -n "$ab_output_dir" ] || return 0
    for ab_file; do
        ab_bring "$ab_file" || ab_missing=1
    done
}

ab_bring() { # FILE
    ab_target=$ab_output_dir/$1
    mkdir -p -- "${ab_target%/*}" || return 1
    [ "$1" -ef "$ab_target" ] && return
    if [ -d "$1" ] && [ -d "$ab_target" ]; then
        cp -R -- "$1/." "$ab_target/" && rm -rf -- "$1"
    else
        # Across file systems mv copies: under another name, so that no half file is seen.
        mv -f -- "$1" "$ab_target.part" && mv -f -- "$ab_target.part" "$ab_target"
    fi
}

ab_on_signal() { # NAME
    ab_caught=$1 ab_interrupted=1
    if [ -n "$ab_child" ]; then
        ab_forward "$1"
    elif [ "$ab_phase" != command ]; then
        exit 1
    fi
}

ab_forward() { # NAME
    ab_pid=$ab_child
    if [ -n "${BASH_VERSION-}" ]; then
        until read -r ab_line ab_pid ab_line <"$ab_start"; do
            kill -0 "$ab_child" 2>/dev/null || return
            sleep 0.01
        done
    fi
    echo "caught $1" >>"$ab_start"
    [ -n "$ab_all_get_it" ] || kill -s "$1" "$ab_pid" 2>/dev/null
}

# $? does not tell "Killed" from "Exit 137"; the shell's list of its jobs does. dash and busybox sh
# keep a job on it until the next one starts, and their wait would end at a trapped CHLD. bash
# takes it off when it was waited for, hence the trap. And bash loses the status of a child that
# ends in the moment of a trapped signal (5.2: CHECK_WAIT_INTR after waitpid in jobs.c), as the
# child does when the whole process group is sent one. So there a process that is deaf to signals
# waits for the command, and writes down what it sees.
ab_run_command() { # COMMAND...
    if [ -n "${BASH_VERSION-}" ]; then
        (ab_watch_command "$@") &
    else
        (ab_heed_missed; ab_"$ab_launch" "$@") <"$ab_stdin" & # else & gives it nothing to read
    fi
    ab_child=$!
    [ -z "$ab_caught" ] || ab_forward "$ab_caught"
    ab_interrupted=1
    while [ -n "$ab_interrupted" ]; do
        ab_interrupted=
        wait "$ab_child" 2>/dev/null
        ab_status=$?
    done
    ab_child=
    ab_how=exit
    # 127: bash 5.3 may forget a child whose end came together with a signal.
    if [ "$ab_status" -gt 126 ] || [ "$ab_status" -lt 0 ]; then ab_read_end; fi
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

ab_read_end() { # sets ab_how to exit or signal
    ab_how=signal
    [ -n "${BASH_VERSION-}" ] || jobs -l >>"$ab_start"
    ab_read_start
    case $ab_line in
    *" Exit "[1-9]* | *" Done"*) ab_how=exit ;;
    esac
    case $ab_nl$ab_line in
    *"${ab_nl}status "*)
        ab_status=${ab_line##*status }
        ab_status=${ab_status%%"$ab_nl"*}
        ;;
    esac
    # Where it was not on the list: the numbers of signals end at 64.
    [ "$ab_status" -le 192 ] || ab_how=exit
    # Where that process too was ended before it could write, by what has ended the command.
    case $ab_how.$ab_status in
    signal.-* | signal.127) ab_status=$((128 + $(kill -l "$ab_caught"))) ;;
    esac
}

ab_got_inside() { # whether the wrapper came so far as to run this script
    ab_read_start
    case $ab_nl$ab_line$ab_nl in
    *"${ab_nl}inside$ab_nl"*) ;;
    *) return 1 ;;
    esac
}

ab_record_setup() { # if it has failed; inside only notes it, for a record is a job's last word
    for ab_file in "$ab_run/exit/$ab_folder/$ab_key.setup-"*; do
        [ -e "$ab_file" ] || return 1
        ab_caught=''
        ab_record setup exit "${ab_file##*-}"
        rm -f -- "$ab_file"
    done
}

ab_finish() { # at every exit; the command's end is recorded by ab_main
    ab_code=$?
    trap - EXIT
    # bash runs this too when a signal ends it that is not trapped, also in a child that has not
    # become its own yet; that says nothing of how the job has ended.
    [ "${BASHPID:-$$}" -eq "$$" ] && [ "$ab_phase" != command ] && [ "$ab_code" -ne 0 ] || exit
    ab_record "$ab_phase" exit "$ab_code"
    exit "$ab_code"
}

ab_main() { # COMMAND...
    true >"$ab_start"
    ab_open_logs || ab_fail "cannot open $ab_stdin, $ab_stdout and $ab_stderr"
    ab_enter_workdir || ab_fail "cannot enter the working folder $ab_workdir"
    ab_phase=stage_in
    ab_stage_in
    ab_phase=command
    ab_run_command "$@"
    if [ "$ab_launch" = wrapped ] && [ -z "$ab_caught" ] && ! ab_got_inside; then
        ab_phase=setup
        echo "anybatch: job $ab_index: status $ab_status: the wrapper did not start the command" >&2
        [ "$ab_status" -ne 0 ] || ab_status=1
        exit "$ab_status"
    fi
    if [ "$ab_status" -ne 0 ] && ab_record_setup; then
        trap - EXIT
        exit "$ab_status"
    fi
    if [ -z "$ab_caught" ] || [ "$ab_status" -eq 0 ]; then
        ab_phase=stage_out ab_missing=
        ab_stage_out
        [ -z "$ab_missing" ] || exit 1
        ab_phase=command
    fi
    trap - EXIT
    if [ "$ab_how" = signal ]; then
        ab_record command signal "$((ab_status - 128))"
    else
        ab_record command exit "$ab_status"
    fi
    exit "$ab_status"
}

# ---- begin

case $0 in
/*) ab_run=${0%/*} ;;
*/*) ab_run=$PWD/${0%/*} ;;
*) ab_run=$PWD ;;
esac
ab_where=outside
if [ "$1" = --inside ]; then
    ab_where=inside
    shift
fi
ab_submission=$1 ab_task=$2 ab_restarts=${3:-0} ab_mark=${4-}
# Set by systems that send a signal to all processes of a job: the command has got it already.
ab_all_get_it=${ab_signalled_all-}
unset ab_signalled_all
ab_signals='HUP INT QUIT ABRT PIPE ALRM USR1 USR2 XCPU XFSZ VTALRM PROF TERM'
ab_phase=setup ab_child='' ab_files='' ab_caught='' ab_status=0 ab_log_suffix='' ab_line=''
ab_nl='
'
ab_read_task
eval "$ab_line"
ab_name_records
[ "$ab_where" = outside ] || ab_start=$ab_mark
[ "$ab_attempt" -eq 0 ] || ab_log_suffix=.$ab_attempt
export ANYBATCH_RUN="$ab_run_id" ANYBATCH_INDEX="$ab_index" ANYBATCH_COUNT="$ab_count" \
    ANYBATCH_ATTEMPT="$ab_attempt"
if [ "$ab_where" = inside ]; then
    ab_inside "$@"
fi
for ab_signal in $ab_signals; do
    trap "ab_on_signal $ab_signal" "$ab_signal"
done
trap ab_finish EXIT # not before: bash would keep what it then does at signals in its children
ab_main "$@"
