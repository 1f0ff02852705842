# ---- stage out: outputs are looked for, and brought where they belong
#
# An output that is a link is what the link points to; it is copied before anything is moved. Links
# inside a folder stay links. One that worked in the working folder has to work where it is brought.
# Nothing is moved that is the user's: an input in its place, what is in a linked folder, or a folder
# with such an input in it. It is copied.

ab_collect() { # PATTERN MATCH...; once for links, then for all else; no PATTERN: it is optional
    ab_pattern=$1 ab_found=''
    shift
    for ab_file; do
        ! ab_is_input "$ab_file" || continue
        [ -e "$ab_file" ] || [ -L "$ab_file" ] || continue # a pattern that matches nothing
        ab_found=1
        if [ "$ab_pass" = links ]; then
            ab_look_at_links "$ab_file"
        elif [ ! -L "$ab_file" ] && [ -n "$ab_output_dir" ]; then
            ab_bring "$ab_file"
        fi
    done
    # Before anything is moved: another pattern may bring the same file.
    [ "$ab_pass" = others ] || [ -n "$ab_found" ] || [ -z "$ab_pattern" ] ||
        ab_miss "$ab_pattern: nothing matches in $PWD"
}

ab_miss() { # TEXT; after a command that failed, nothing is missed
    [ "$ab_status" -eq 0 ] || return 0
    echo "anybatch: job $ab_index: output $1" >&2
    ab_missing=1
}

ab_is_input() { # FILE: whether this script has put it there as an input
    [ -z "$ab_copies" ] || ! ab_is_copied "$1" || return 0
    [ -L "$1" ] || return 1
    case $ab_nl$ab_links in
    *"$ab_nl./${1#./}$ab_nl"*) ;;
    *) return 1 ;;
    esac
}

ab_is_in_place() { # FILE: whether it is an input that stays, in one, or has one in it
    ab_asked=./${1#./}
    case $ab_nl$ab_in_place in
    *"$ab_nl$ab_asked/"*) return ;;
    esac
    while [ "$ab_asked" != . ]; do
        case $ab_nl$ab_in_place in
        *"$ab_nl$ab_asked$ab_nl"*) return ;;
        esac
        ab_asked=${ab_asked%/*}
    done
    return 1
}

ab_look_at_links() { # FILE
    if [ ! -e "$1" ]; then
        ab_miss "$1: the link points to nothing"
        return
    fi
    [ -n "$ab_output_dir" ] || return 0
    if [ -d "$1" ]; then
        ab_inner=$(find "$1/" -type l -exec test -e {} \; -print)
        ab_working=$ab_working${ab_inner:+$ab_inner$ab_nl}
    fi
    [ ! -L "$1" ] || ab_bring "$1"
}

ab_bring() { # FILE
    ab_target=$ab_output_dir/$1
    if [ "$1" -ef "$ab_target" ]; then return; fi
    mkdir -p -- "${ab_target%/*}" && ab_put "$1" && [ -e "$ab_target" ] ||
        ab_miss "$1: it was not brought to $ab_output_dir"
}

ab_put() { # FILE
    if [ -d "$1" ] && [ -d "$ab_target" ]; then
        cp -R -P -- "$1/." "$ab_target/" || return 1
        [ -L "$1" ] || ab_is_in_place "$1" || rm -rf -- "$1"
    elif [ ! -L "$1" ] && ab_is_in_place "$1"; then
        ab_put_whole "$1" cp -R -P -p
    elif [ ! -L "$1" ]; then
        ab_put_whole "$1" mv -f
    elif [ -d "$1" ]; then
        ab_put_whole "$1/." cp -R -P
    else
        ab_put_whole "$1" cp -p
    fi
}

ab_put_whole() { # SOURCE COMMAND...
    ab_source=$1
    shift
    # Across file systems mv copies: under another name, so that no half file is seen.
    "$@" -- "$ab_source" "$ab_target.part" && mv -f -- "$ab_target.part" "$ab_target" || {
        rm -rf -- "$ab_target.part"
        return 1
    }
}

ab_check_links() { # that those inside of folders work where they were brought
    IFS=$ab_nl
    set -f
    set -- $ab_working
    set +f
    unset IFS
    for ab_line; do
        [ -e "$ab_output_dir/$ab_line" ] ||
            ab_miss "$ab_line: the link points to nothing in $ab_output_dir"
    done
}
