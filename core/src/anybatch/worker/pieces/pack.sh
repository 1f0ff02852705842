# ---- pack: several jobs of the run are one job of the batch system
#
# job.sh SUBMISSION TASK [RESTARTS] runs the pack TASK: each of its jobs by
# job.sh --packed SUBMISSION LINE RESTARTS, as many at once as there are lanes.

ab_job_of_pack() { # LINE; sets ab_index and ab_attempt; fails where the last pack is shorter
    ab_file=$ab_run/tasks/$ab_submission.$((($1 - 1) / ab_page))
    [ -e "$ab_file" ] || return
    ab_pick_line "$ab_file" "$((($1 - 1) % ab_page))"
    [ -n "$ab_line" ] || return
    eval "${ab_line%%;*}"
}

ab_has_ended() { # by itself, in an earlier start of this pack: no signal had a part in it
    for ab_file in "$ab_run/exit/$((ab_index / ab_jobs))/$ab_index.$ab_attempt."*.exit-*; do
        case ${ab_file##*.exit-} in
        '*' | *[!0-9]*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

ab_lane() {
    ab_child='' ab_stopped=''
    ab_heed ab_on_lane_signal
    for ab_place in $ab_places; do
        [ -z "$ab_stopped" ] || return
        ab_job_of_pack "$ab_place" || return
        ! ab_has_ended || continue
        [ "$ab_lanes" -eq 1 ] || mkdir -- "$ab_claims/$ab_place" 2>/dev/null || continue
        # A shell lets what it starts in the background ignore these; bash undoes it only now.
        (trap - INT QUIT; exec /bin/sh "$0" --packed "$ab_submission" "$ab_place" "$ab_restarts") &
        ab_child=$!
        [ -z "$ab_stopped" ] || ab_pass_on "$ab_stopped" "$ab_child"
        ab_await "$ab_child"
        ab_child=''
        [ -z "$ab_apart" ] || ab_move_out "$ab_place"
    done
}

ab_await() { # PROCESS, also if a trapped signal ends the wait for it
    ab_interrupted=1
    while [ -n "$ab_interrupted" ]; do
        ab_interrupted=
        wait "$1" 2>/dev/null
    done
}

ab_pass_on() { # SIGNAL PROCESS; unless the system sends it to all processes itself
    [ -n "$ab_all_get_it" ] || kill -s "$1" "$2" 2>/dev/null
}

ab_heed() { # FUNCTION that is called with the name of a signal
    for ab_signal in HUP INT QUIT USR1 USR2 XCPU TERM; do
        trap "$1 $ab_signal" "$ab_signal"
    done
}

ab_stop_at() { # SIGNAL: after it no further job begins; two are for the commands to understand
    ab_interrupted=1
    case $1 in
    USR1 | USR2) ;;
    *) ab_stopped=$1 ;;
    esac
}

ab_on_lane_signal() { # SIGNAL
    ab_stop_at "$1"
    [ -z "$ab_child" ] || ab_pass_on "$1" "$ab_child"
}

ab_on_pack_signal() { # SIGNAL
    ab_stop_at "$1"
    for ab_process in $ab_running; do
        kill -s "$1" "$ab_process" 2>/dev/null
    done
}

ab_run_pack() { # SUBMISSION TASK [RESTARTS]
    ab_find_run
    ab_submission=$1 ab_restarts=${3:-0} ab_stopped='' ab_running='' ab_places=''
    # Set by systems that send a signal to all processes of a job, the lanes among them.
    ab_all_get_it=${ab_signalled_all-}
    [ -z "$ab_apart" ] || ab_go_on
    ab_place=$((($2 - 1) * ab_pack))
    while [ "$ab_place" -lt "$(($2 * ab_pack))" ]; do
        ab_place=$((ab_place + 1))
        ab_places="$ab_places $ab_place"
    done
    if [ "$ab_lanes" -gt 1 ]; then
        ab_claims=$ab_run/packs/$1.$2
        rm -rf -- "$ab_claims"
        mkdir -p -- "$ab_claims" || exit 1
    fi
    [ -z "$ab_shares" ] || ab_hold_node
    ab_heed ab_on_pack_signal
    ab_lane_number=0
    while [ "$ab_lane_number" -lt "$ab_lanes" ]; do
        ab_lane_number=$((ab_lane_number + 1))
        (ab_lane) &
        ab_running="$ab_running $!"
    done
    [ -z "$ab_stopped" ] || ab_on_pack_signal "$ab_stopped"
    for ab_process in $ab_running; do
        ab_await "$ab_process"
    done
    [ -z "$ab_shares" ] || (ab_let_node_go)
    [ -z "$ab_apart" ] || ab_stop_clock
    [ -z "$ab_stopped" ] # else jobs are left that have not begun
    exit
}

case $1 in
--packed) shift ;;
--inside) ;;
*) ab_run_pack "$@" ;;
esac
