# ---- once: setup_once, which one job of the run does on a node, and the others wait for
#
#     shared.WHO/once.0 -> WHO      whose turn it is; the next number, where that one has ended
#     shared.WHO/line               the line that is being run
#     shared.WHO/done  failed       how it ended

ab_shares=1

ab_hold_node() { # what the jobs of a pack share is there until the last of them has ended
    ab_read_host
    ab_identify
    export ab_holder="$ab_who"
}

ab_let_node_go() {
    ab_index=pack
    ab_shared
    ab_find_node "${ab_scratch_dir:-/tmp}"
    for ab_file in "$ab_node"/shared.*/users/"$ab_holder"; do
        [ ! -d "$ab_file" ] || rmdir -- "$ab_file"
    done
    ab_sweep
}

ab_set_up_once() {
    ab_phase=setup
    ab_join
    ab_node_dir=$ab_shared_dir/dir
    ab_turn=0 ab_waited=0
    until [ -e "$ab_shared_dir/done" ] || [ -e "$ab_shared_dir/failed" ]; do
        if ln -s -- "$ab_who" "$ab_shared_dir/once.$ab_turn" 2>/dev/null; then
            ab_take_turn
        elif ab_is_gone "$(readlink "$ab_shared_dir/once.$ab_turn")"; then
            ab_turn=$((ab_turn + 1))
        elif [ "$ab_waited" -lt "$ab_once_timeout" ]; then
            ab_waited=$((ab_waited + 1))
            sleep 1
        else
            ab_fail "setup_once of another job on $ab_host is not done after ${ab_waited}s"
        fi
    done
    [ ! -e "$ab_shared_dir/failed" ] ||
        ab_fail "setup_once on $ab_host: $(cat "$ab_shared_dir/failed")"
    export ANYBATCH_NODE_DIR="$ab_node_dir"
    [ "$ab_launch" != wrapped ] || ab_note_file "$ab_node_dir"
}

ab_take_turn() {
    ab_remove "$ab_node_dir" # what one that was killed has left half done
    mkdir -m 700 -- "$ab_node_dir" || ab_fail "cannot make $ab_node_dir"
    (ab_run_once) </dev/null &
    ab_helper=$!
    wait "$ab_helper" # a signal ends this wait, and the job
    ab_code=$?
    ab_helper=''
    if [ "$ab_code" -eq 0 ]; then
        true >"$ab_shared_dir/done"
    else
        printf 'status %s: ' "$ab_code" | cat - "$ab_shared_dir/line" >"$ab_shared_dir/failed.new"
        mv -- "$ab_shared_dir/failed.new" "$ab_shared_dir/failed"
    fi
}

ab_run_once() {
    export ANYBATCH_NODE_DIR="$ab_node_dir"
    unset LC_ALL
    ab_inherit
    if [ -n "$ab_env_script" ]; then
        printf 'env_script %s\n' "$ab_env_script" >"$ab_shared_dir/line"
        ab_load_env_script || exit
        set +eu
    fi
    ab_env
    ab_once_lines
}

ab_once_line() { # LINE
    printf '%s\n' "$1" >"$ab_shared_dir/line"
    ab_eval "$1" || exit
}
