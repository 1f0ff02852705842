# ---- stage in: inputs come to the working folder

ab_link() { # SOURCE DESTINATION
    [ "$ab_launch" != wrapped ] || ab_note_file "$1"
    ab_place "$1" "$2" ln -s
    [ ! -L "$2" ] || ab_links=$ab_links./${2#./}$ab_nl
}

ab_copy() { # SOURCE DESTINATION
    ab_place "$1" "$2" cp -R -p
}

ab_place() { # SOURCE DESTINATION COMMAND...
    ab_source=$1 ab_target=$2
    shift 2
    [ -e "$ab_source" ] || ab_fail "input $ab_source is not there"
    [ "$ab_source" -ef "$ab_target" ] && return
    case $ab_target in
    */*) mkdir -p -- "${ab_target%/*}" || ab_fail "cannot make ${ab_target%/*} for an input" ;;
    esac
    # Another job of the run may put the same file there at the same moment.
    "$@" -- "$ab_source" "$ab_target" 2>/dev/null || [ "$ab_source" -ef "$ab_target" ] ||
        cmp -s -- "$ab_source" "$ab_target" ||
        ab_fail "input $ab_source: another file $ab_target is in the working folder"
}
