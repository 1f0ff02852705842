# ---- node: private folders on the node's own disk, removed when nobody uses them any more
#
#     BASE/anybatch-UID/            this user's alone
#         scratch.WHO/              of one job
#         shared.WHO/users/WHO/     of the jobs of a run; without `users` it is closed for good
#         run.RUN.KEY -> shared.WHO
#
# Nobody can lock anything where every tool may be missing. So each step is one that the system
# makes whole or not at all (mkdir, rmdir, ln -s), and WHO names a process: it is left over when
# that process is known to have ended. What cannot be known (another machine, or another name space
# of processes) is left alone.

# No comma or colon is in it: they would end a path that is mounted into a container.
ab_identify() { # sets ab_who to this very shell, a child too
    ab_read_first /proc/sys/kernel/random/boot_id
    ab_boot=$ab_first
    ab_space=$(readlink /proc/self/ns/pid)
    ab_space=${ab_space##*[}
    ab_find_self
    ab_read_first "/proc/$ab_self/stat"
    ab_started "$ab_first"
    ab_who=$ab_host+$ab_boot+${ab_space%]}+$ab_self+$ab_since
}

ab_started() { # LINE of /proc/PID/stat; sets ab_alive to its state, ab_since to its start
    set -- ${1##*) }
    ab_alive=$1 ab_since=${20}
}

ab_is_gone() { # WHO: whether that process has ended, beyond doubt
    ab_rest=${1#*+*+*+}
    case $1 in
    "${ab_who%+*+*}"+*) ;;
    "$ab_host+$ab_boot"+*) return 1 ;;
    "$ab_host"+*) return 0 ;; # before the machine was started anew
    *) return 1 ;;
    esac
    ab_read_first "/proc/${ab_rest%+*}/stat" || return 0
    ab_started "$ab_first"
    [ "$ab_since" != "${ab_rest#*+}" ] || [ "$ab_alive" = Z ]
}

ab_find_node() { # BASE; sets ab_node
    ab_uid=$(id -u)
    case $(ls -ldLn -- "$1" 2>&1) in
    d???????w[!tT]*) ab_fail "$1 is not used: others can replace what is in it" ;;
    d*) ;;
    *) ab_fail "$1 is not a folder; see the setting scratch_dir" ;;
    esac
    for ab_try in '' .1 .2 .3 .4 .5 .6 .7 .8 .9; do # somebody else may have taken the name
        ab_node=$1/anybatch-$ab_uid$ab_try
        ab_said=$(mkdir -m 700 -- "$ab_node" 2>&1)
        ab_see_owner $(ls -ldn -- "$ab_node" 2>/dev/null)
        case $ab_mode.$ab_owner in
        drwx------*."$ab_uid") ab_identify && ab_sweep && return ;;
        esac
    done
    ab_fail "no private folder can be made in $1: $ab_said"
}

ab_see_owner() { # what ls shows
    ab_mode=${1-} ab_owner=${3-}
}

ab_sweep() { # what jobs have left that were killed
    for ab_file in "$ab_node"/scratch.* "$ab_node"/new.*; do
        [ ! -d "$ab_file" ] || ! ab_is_gone "${ab_file#"$ab_node"/*.}" || ab_remove "$ab_file"
    done
    for ab_file in "$ab_node"/shared.*; do
        [ ! -d "$ab_file" ] || ab_close "$ab_file"
    done
    for ab_file in "$ab_node"/run.*; do
        [ -e "$ab_file" ] || rm -f -- "$ab_file"
    done
    return 0
}

ab_remove() { # FOLDER; one that a program has made read-only, too
    rm -rf -- "$1" 2>/dev/null || {
        chmod -R u+rwx -- "$1" 2>/dev/null
        rm -rf -- "$1"
    }
}

ab_make_scratch() { # and work there
    ab_base=${TMPDIR:-/tmp}
    [ -d "$ab_base" ] || ab_base=/tmp # the variable may be of another machine
    ab_find_node "${ab_scratch_dir:-$ab_base}"
    ab_workdir=$ab_node/scratch.$ab_who
    mkdir -m 700 -- "$ab_workdir" || return 1
    ab_scratch=$ab_workdir
    cd -- "$ab_workdir"
}

ab_remove_scratch() {
    [ -n "$ab_scratch" ] || return 0
    cd / || return 0
    ab_remove "$ab_scratch" || echo "anybatch: job $ab_index: $ab_scratch was not removed" >&2
}

ab_join() { # sets ab_shared_dir; this job is one of its users
    # TMPDIR is each job's own in many places.
    ab_find_node "${ab_scratch_dir:-/tmp}"
    ab_pointer=$ab_node/run.$ab_run_id.$ab_once
    for ab_try in 1 2 3 4 5 6 7 8 9; do
        if ab_shared_dir=$(readlink "$ab_pointer"); then
            mkdir -- "$ab_node/$ab_shared_dir/users/$ab_who" 2>/dev/null && break
            # It was closed. Who comes in between has a folder that others do not find, at worst.
            [ "$(readlink "$ab_pointer")" != "$ab_shared_dir" ] || rm -f -- "$ab_pointer"
        fi
        ab_file=$ab_node/new.$ab_who
        mkdir -p -- "$ab_file/users/$ab_who" "$ab_file/dir" || ab_fail "cannot make $ab_file"
        ab_shared_dir=shared.$ab_who.$ab_try
        mv -- "$ab_file" "$ab_node/$ab_shared_dir" || ab_fail "cannot make $ab_shared_dir"
        ln -s -n -- "$ab_shared_dir" "$ab_pointer" 2>/dev/null && break
        ab_leave "$ab_node/$ab_shared_dir"
        ab_shared_dir=''
    done
    [ -n "$ab_shared_dir" ] || ab_fail "cannot share a folder in $ab_node"
    ab_shared_dir=$ab_node/$ab_shared_dir
    [ -z "$ab_pack_who" ] || mkdir -p -- "$ab_shared_dir/users/$ab_pack_who"
}

ab_leave() { # SHARED
    [ -n "$1" ] || return 0
    rmdir -- "$1/users/$ab_who" 2>/dev/null
    ab_close "$1"
    [ -e "$ab_pointer" ] || rm -f -- "$ab_pointer"
}

ab_close() { # SHARED; removes it if nobody uses it
    for ab_user in "$1"/users/*; do
        [ ! -d "$ab_user" ] || ! ab_is_gone "${ab_user##*/}" || rmdir -- "$ab_user"
    done
    rmdir -- "$1/users" 2>/dev/null
    [ -e "$1/users" ] || ab_remove "$1"
}
