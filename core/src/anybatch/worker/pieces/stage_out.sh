# ---- stage out: outputs are looked for, and brought where they belong

ab_collect() { # PATTERN MATCH...
    ab_pattern=$1
    shift
    if [ "$#" -eq 0 ] || { [ ! -e "$1" ] && [ ! -L "$1" ]; }; then
        if [ "$ab_status" -eq 0 ]; then
            echo "anybatch: job $ab_index: output $ab_pattern: nothing matches in $PWD" >&2
            ab_missing=1
        fi
        return
    fi
    [ -n "$ab_output_dir" ] || return 0
    for ab_file; do
        ab_bring "$ab_file" || ab_missing=1
    done
}

ab_bring() { # FILE
    ab_target=$ab_output_dir/$1
    mkdir -p -- "${ab_target%/*}" || return 1
    [ "$1" -ef "$ab_target" ] && return
    if [ -d "$1" ] && [ -d "$ab_target" ]; then
        cp -R -- "$1/." "$ab_target/" && rm -rf -- "$1"
    else
        # Across file systems mv copies: under another name, so that no half file is seen.
        mv -f -- "$1" "$ab_target.part" && mv -f -- "$ab_target.part" "$ab_target"
    fi
}
