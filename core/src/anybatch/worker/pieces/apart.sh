# ---- apart: packed jobs whose files the batch system moves have folders of their own
#
# What came for several jobs of the pack lies once in sets/NUMBER; each copies what it needs.

ab_apart=1

ab_find_own() { # where the line names no sets, the job sees the submitter's folders
    case $ab_line in
    ab_sets=*) ab_own=$ab_run/work/$ab_task/.anybatch ;;
    esac
}

ab_move_in() { # what goes wrong is told when there are logs to tell it in
    ab_said=$(ab_fill_own 2>&1) && cd -- "${ab_own%/*}" && return
    ab_untaken=${ab_said:-${ab_own%/*} cannot be entered}
}

ab_fill_own() {
    rm -rf -- "${ab_own%/*}"
    mkdir -p -- "$ab_own" || return
    for ab_set in $ab_sets; do
        [ ! -d "$ab_run/sets/$ab_set" ] || cp -R -p -- "$ab_run/sets/$ab_set/." "${ab_own%/*}/" || return
    done
}

ab_check_sets() {
    [ -z "${ab_untaken-}" ] || ab_fail "its inputs cannot be put into a folder of its own: $ab_untaken"
    for ab_set in $ab_sets; do
        [ -e "$ab_run/sets/$ab_set.arrivals" ] || ab_fail "inputs have not arrived (sets/$ab_set)"
        . "$ab_run/sets/$ab_set.arrivals"
    done
}

ab_move_out() { # LINE
    rm -rf -- "$ab_run/work/$1" 2>/dev/null
}

ab_go_on() { # where the pack was when the system took its machine away, in as much time as it has
    ab_take_up
    ab_limit=${ab_time_limit-} ab_clock='' ab_late=''
    unset ab_time_limit
    [ -z "$ab_limit" ] || ab_start_clock
}

ab_take_up() { # what the system kept lies beside .anybatch; records come last, as they are believed
    for ab_name in stage-out logs start exit; do
        ab_kept=${ab_run%/*}/$ab_name
        [ -d "$ab_kept" ] || continue
        mkdir -p -- "$ab_run/$ab_name" && cp -R -p -- "$ab_kept/." "$ab_run/$ab_name/" || return 0
    done
}

# Some systems give nothing back at the end of the time. So the pack ends shortly before: its jobs are
# asked to end, then ended.
ab_start_clock() {
    ab_margin=$((ab_limit / 10))
    [ "$ab_margin" -le 60 ] || ab_margin=60
    [ "$ab_margin" -ge 2 ] || ab_margin=2
    [ "$ab_limit" -gt "$ab_margin" ] || return 0
    trap ab_on_clock ALRM
    (
        trap 'kill "$ab_sleep" 2>/dev/null; exit' TERM
        for ab_pause in "$((ab_limit - ab_margin))" "$((ab_margin / 2))"; do
            sleep "$ab_pause" &
            ab_sleep=$!
            wait "$ab_sleep"
            kill -s ALRM "$$"
        done
    ) &
    ab_clock=$!
}

ab_on_clock() {
    ab_interrupted=1
    if [ -z "$ab_late" ]; then
        ab_late=1
        ab_on_pack_signal TERM
    else
        kill -s KILL $ab_running 2>/dev/null
    fi
}

ab_stop_clock() {
    [ -z "$ab_clock" ] || kill "$ab_clock" 2>/dev/null
    [ -z "$ab_late" ] || exit 124 # as timeout(1) does
}
