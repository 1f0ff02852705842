# ---- copies: inputs that are the job's own, in a working folder that no other job has

ab_copy_own() { # SOURCE DESTINATION
    if [ "$ab_phase" != stage_in ]; then
        [ "./${2#./}" != "$ab_asked" ] || ab_source=$1
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

# A copy that the job has changed must not come back over its original.
ab_is_copied() { # FILE: whether it was copied, alone or in a folder, or has a copy in it
    ab_asked=./${1#./} ab_below=''
    case $ab_nl$ab_copies in
    *"$ab_nl$ab_asked/"*) return ;;
    esac
    while :; do
        case $ab_nl$ab_copies in
        *"$ab_nl$ab_asked$ab_nl"*)
            ab_stage_in
            [ -e "$ab_source$ab_below" ] || [ -L "$ab_source$ab_below" ]
            return
            ;;
        esac
        ab_below=/${ab_asked##*/}$ab_below
        ab_asked=${ab_asked%/*}
        [ "$ab_asked" != . ] || return 1
    done
}
