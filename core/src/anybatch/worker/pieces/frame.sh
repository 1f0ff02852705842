# ---- frame: how a job is run
#
# outside: logs, working folder, files in, setup_once, the command, files out, cleanup, the record
# inside:  (in a child, or in the container) variables, env_script, env, setup, the command itself
#
# An exit record is an empty file whose name says it all, so making it is one step:
#     exit/PAGE/INDEX.ATTEMPT.RESTARTS.PHASE.exit-CODE[.SIGNAL CAUGHT BY THE SCRIPT]
#     exit/PAGE/INDEX.ATTEMPT.RESTARTS.PHASE.signal-NUMBER[...]

ab_find_run() { # sets ab_run, the run's folder
    case $0 in
    /*) ab_run=${0%/*} ;;
    */*) ab_run=$PWD/${0%/*} ;;
    *) ab_run=$PWD ;;
    esac
}

ab_fail() { # TEXT
    echo "anybatch: job $ab_index: $1" >&2
    exit 1
}

ab_read_task() {
    ab_file=$ab_run/tasks/$ab_submission.$(((ab_task - 1) / ab_page))
    ab_pick_line "$ab_file" "$(((ab_task - 1) % ab_page))"
    if [ -z "$ab_line" ]; then
        echo "anybatch: task $ab_task is not in $ab_file" >&2
        exit 1
    fi
}

ab_read_host() {
    ab_read_first /proc/sys/kernel/hostname || ab_first=$(uname -n)
    ab_host=$ab_first
}

ab_name_records() {
    ab_read_host
    ab_read_clock
    ab_key=$ab_index.$ab_attempt.$ab_restarts
    ab_folder=$((ab_index / ab_jobs))
    for ab_file in exit start; do # they are there already, unless the files of a job are moved
        [ -d "$ab_run/$ab_file/$ab_folder" ] || mkdir -p -- "$ab_run/$ab_file/$ab_folder"
    done
    ab_start=$ab_run/start/$ab_folder/$ab_key.$ab_now.$ab_host
}

ab_record() { # PHASE exit|signal NUMBER; the last that a job does
    ab_tidying=1
    ab_tidy "$@"
    true >"$ab_run/exit/$ab_folder/$ab_key.$1.$2-$3${ab_caught:+.$ab_caught}"
}

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

ab_finish() { # at every exit; the command's end is recorded by ab_main
    ab_code=$?
    trap - EXIT
    ab_is_itself && [ "$ab_phase" != command ] && [ "$ab_code" -ne 0 ] || exit
    ab_record "$ab_phase" exit "$ab_code"
    exit "$ab_code"
}

ab_main() { # COMMAND...
    true >"$ab_start"
    ab_open_logs || ab_fail "cannot open $ab_stdin, $ab_stdout and $ab_stderr"
    ab_enter || ab_fail "cannot enter the working folder $ab_workdir"
    ab_phase=stage_in
    ab_stage_in
    ab_prepare
    ab_phase=command
    ab_run_command "$@"
    [ -z "$ab_checkpoint" ] || ab_look_for_mark
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
        ab_phase=stage_out ab_missing='' ab_working=''
        for ab_pass in links others; do
            ab_stage_out
        done
        [ -z "$ab_working" ] || ab_check_links
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
