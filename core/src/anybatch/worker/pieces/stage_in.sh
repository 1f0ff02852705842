# ---- stage in: inputs come to the working folder

ab_link() { # SOURCE DESTINATION
    [ "$ab_launch" != wrapped ] || ab_note_file "$1"
    ab_place "$1" "$2" ln -s -n
    ab_in_place=$ab_in_place./${2#./}$ab_nl
    [ ! -L "$2" ] || ab_links=$ab_links./${2#./}$ab_nl
}

ab_keep() { # SOURCE DESTINATION: an input that is in its place
    ab_need "$1"
    ab_in_place=$ab_in_place./${2#./}$ab_nl
}

ab_copy() { # SOURCE DESTINATION; links are followed
    ab_place "$1" "$2" ab_copy_whole
}

ab_copy_whole() { # -- SOURCE DESTINATION; under another name first, so that no half copy is seen
    ab_part=$3.part-$ab_index
    rm -rf -- "$ab_part"
    cp -R -L -p -- "$2" "$ab_part" && [ ! -e "$3" ] && mv -f -- "$ab_part" "$3" || {
        rm -rf -- "$ab_part"
        return 1
    }
}

ab_need() { # SOURCE
    [ -e "$1" ] || ab_fail "input $1 is not there: was it removed after submission?"
}

ab_place() { # SOURCE DESTINATION COMMAND...
    ab_source=$1 ab_target=$2 ab_said=''
    shift 2
    ab_need "$ab_source"
    [ "$ab_source" -ef "$ab_target" ] && return
    case $ab_target in
    */*) mkdir -p -- "${ab_target%/*}" || ab_fail "cannot make ${ab_target%/*} for an input" ;;
    esac
    # Into a folder that is there already these commands would put it.
    if [ ! -e "$ab_target" ] && [ ! -L "$ab_target" ]; then
        ab_said=$("$@" -- "$ab_source" "$ab_target" 2>&1) && return
    fi
    # Another job of the run may have put the same file there at the same moment.
    ab_is_same || {
        [ -z "$ab_said" ] || ab_fail "input $ab_source cannot be put at $ab_target: $ab_said"
        ab_fail "input $ab_source: another file $ab_target is in the working folder"
    }
}

ab_is_same() {
    [ "$ab_source" -ef "$ab_target" ] && return
    if [ -d "$ab_source" ]; then
        diff -r -- "$ab_source" "$ab_target" >/dev/null 2>&1
    else
        cmp -s -- "$ab_source" "$ab_target"
    fi
}
