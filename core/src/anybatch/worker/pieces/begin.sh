# ---- begin

ab_find_run
ab_where=outside
if [ "$1" = --inside ]; then
    ab_where=inside
    shift
fi
ab_submission=$1 ab_task=$2 ab_restarts=${3:-0} ab_mark=${4-} ab_node_dir=${5-}
# Set by systems that send a signal to all processes of a job: the command has got it already.
ab_all_get_it=${ab_signalled_all-}
unset ab_signalled_all
ab_signals='HUP INT QUIT ABRT PIPE ALRM USR1 USR2 XCPU XFSZ VTALRM PROF TERM'
ab_pack_who=${ab_holder-}
unset ab_holder
ab_phase=setup ab_child='' ab_helper='' ab_tidying='' ab_caught='' ab_status=0 ab_line=''
ab_files='' ab_links='' ab_in_place='' ab_copies='' ab_log_suffix='' ab_scratch='' ab_shared_dir=''
ab_nl='
'
ab_read_task
ab_own=$ab_run
[ -z "$ab_apart" ] || ab_find_own
eval "$ab_line"
ab_name_records
[ "$ab_own" = "$ab_run" ] || [ "$ab_where" = inside ] || ab_move_in
[ "$ab_where" = outside ] || ab_start=$ab_mark
[ "$ab_attempt" -eq 0 ] || ab_log_suffix=.$ab_attempt
export ANYBATCH_RUN="$ab_run_id" ANYBATCH_INDEX="$ab_index" ANYBATCH_COUNT="$ab_count" \
    ANYBATCH_ATTEMPT="$ab_attempt"
if [ -n "$ab_checkpoint" ]; then
    ab_requeue=$ab_run/exit/$ab_folder/$ab_key.requeue
    export ANYBATCH_REQUEUE="$ab_requeue"
fi
if [ "$ab_where" = inside ]; then
    [ -z "$ab_node_dir" ] || export ANYBATCH_NODE_DIR="$ab_node_dir"
    ab_inside "$@"
fi
for ab_signal in $ab_signals; do
    trap "ab_on_signal $ab_signal" "$ab_signal"
done
trap ab_finish EXIT # not before: bash would keep what it then does at signals in its children
ab_main "$@"
