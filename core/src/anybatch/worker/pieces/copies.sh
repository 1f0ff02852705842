# ---- copies: inputs that are the job's own, in a working folder that no other job has

ab_copy_own() { # SOURCE DESTINATION
    if [ "$ab_phase" != stage_in ]; then
        [ "./${2#./}" != "$ab_asked" ] || ab_source=$1 ab_target=$2
        return
    fi
    # What an earlier attempt was given here it may have changed.
    [ ! -e "$ab_run/copied/$ab_folder/$ab_index" ] || rm -rf -- "$2"
    ab_copy "$1" "$2"
    ab_copies=$ab_copies./${2#./}$ab_nl
}

ab_mark_copies() { # from now on, what is there under their names is the job's
    [ "$ab_phase" = stage_in ] || return 0
    ab_file=$ab_run/copied/$ab_folder
    [ -d "$ab_file" ] || mkdir -p -- "$ab_file" || exit 1
    true >"$ab_file/$ab_index" || exit 1
}

ab_is_unchanged() { # FILE: whether it is what was copied; set by ab_stage_in, which knows
    ab_asked=./${1#./}
    ab_stage_in
    ab_is_same
}
