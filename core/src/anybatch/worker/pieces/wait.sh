# ---- wait: the command runs, signals reach it, and how it ended is found out

ab_run_command() { # COMMAND...
    ab_start_command "$@"
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

ab_on_signal() { # NAME
    [ -z "$ab_tidying" ] || return 0
    ab_caught=$1 ab_interrupted=1
    [ -z "$ab_helper" ] || kill -s "$1" "$ab_helper" 2>/dev/null
    if [ -n "$ab_child" ]; then
        ab_forward "$1"
    elif [ "$ab_phase" != command ]; then
        exit 1
    fi
}

ab_forward() { # NAME
    ab_find_command || return
    echo "caught $1" >>"$ab_start"
    [ -n "$ab_all_get_it" ] || kill -s "$1" "$ab_pid" 2>/dev/null
}

ab_read_end() { # sets ab_how to exit or signal
    ab_how=signal
    ab_list_jobs
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
