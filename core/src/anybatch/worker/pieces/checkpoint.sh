# ---- checkpoint: the command may want to be run again
#
# It says so by an exit code, or by a file whose name it has in ANYBATCH_REQUEUE.

ab_look_for_mark() {
    [ -e "$ab_requeue" ] || return 0
    rm -f -- "$ab_requeue"
    [ "$ab_status" -ne 0 ] || ab_status=$ab_checkpoint # a failure stays one
}
