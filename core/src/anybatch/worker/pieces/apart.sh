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
