# LSF has put TOKEN.in.tgz into the folder where this begins, and takes TOKEN.out.tgz from there when
# this has ended. Between them the job has a folder of its own, and .anybatch there is its run's.
ab_in=$PWD/$ab_token.in.tgz ab_out=$PWD/$ab_token.out.tgz
ab_signals='HUP INT QUIT ALRM USR1 USR2 XCPU TERM'

ab_unpack() { # in /tmp a file of this name may be anybody's
    [ -f "$ab_in" ] && [ ! -L "$ab_in" ] && [ -O "$ab_in" ] && tar -xzf "$ab_in"
}

ab_pack() {
    [ ! -s "$ab_above/log" ] || cp "$ab_above/log" "logs/lsf-$LSB_JOBID.log"
    rm -f "$ab_out" # of an earlier run of this job; with -C nothing is overwritten
    (umask 077 && set -C && tar -czf - exit start logs stage-out >"$ab_out")
}

ab_not_brought() { # the command has succeeded, and what it made does not come
    for ab_record in exit/*/*.command.exit-0; do
        [ ! -e "$ab_record" ] || mv "$ab_record" "${ab_record%command.exit-0}stage_out.exit-1"
    done
}

# This outlives what LSF sends to all processes of a job, so that the job's last words come back.
trap : $ab_signals
ab_above=$(mktemp -d "${TMPDIR:-/tmp}/$ab_token.XXXXXX") || exit 1
exec >"$ab_above/log" 2>&1
mkdir "$ab_above/work" && cd "$ab_above/work" || exit 1 # its mode is that of the folder packed
if ab_unpack; then
    rm -f "$ab_in"
    ab_signalled_all=1 /bin/sh $ab_words
    ab_status=$?
else
    echo "anybatch: what the job takes along did not come whole to $(uname -n):$ab_in"
    ab_status=1
fi
trap '' $ab_signals # also for tar: only KILL ends the packing
mkdir -p .anybatch/exit .anybatch/start .anybatch/logs .anybatch/stage-out && cd .anybatch || exit 1
if ! ab_pack; then
    echo "anybatch: not all that the job brings back could be packed on $(uname -n)"
    ab_not_brought
    ab_status=1
    ab_pack
fi
cd / && rm -rf "$ab_above"
exit "$ab_status"
