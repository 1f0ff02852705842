# ---- cleanup: lines that are run at the end, however the job has ended

ab_clean_up() { # PHASE exit|signal NUMBER
    case $1.$2.$3 in
    command.exit.126 | command.exit.127) ;;
    command.*) false ;;
    esac && echo "anybatch: job $ab_index: cleanup begins" >&2 # before it stands why it has failed
    ANYBATCH_PHASE=$1 ANYBATCH_EXIT_CODE='' ANYBATCH_SIGNAL=''
    if [ "$2" = exit ]; then ANYBATCH_EXIT_CODE=$3; else ANYBATCH_SIGNAL=$3; fi
    export ANYBATCH_PHASE ANYBATCH_EXIT_CODE ANYBATCH_SIGNAL
    ab_left=$((ab_cleanup_timeout * 5))
    ab_cleanup_lines
}

ab_cleanup_line() { # LINE; each by itself, so that none keeps another from running
    [ "$ab_left" -gt 0 ] || return 0
    (
        unset LC_ALL
        ab_inherit
        ab_env
        ab_eval "$1"
    ) </dev/null &
    ab_helper=$!
    while kill -0 "$ab_helper" 2>/dev/null; do
        if [ "$ab_left" -le 0 ]; then
            kill -s KILL "$ab_helper" 2>/dev/null
            echo "anybatch: job $ab_index: cleanup: stopped after ${ab_cleanup_timeout}s: $1" >&2
            break
        fi
        sleep 0.2
        ab_left=$((ab_left - 1))
    done
    wait "$ab_helper" 2>/dev/null
    ab_code=$?
    [ "$ab_code" -eq 0 ] || [ "$ab_left" -le 0 ] ||
        echo "anybatch: job $ab_index: cleanup: status $ab_code: $1" >&2
}
