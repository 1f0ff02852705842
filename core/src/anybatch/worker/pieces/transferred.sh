# ---- transferred: the batch system moves the files of the job

ab_check_arrivals() { # some systems pass over what is gone, and say nothing
    [ "$ab_own" = "$ab_run" ] || ab_check_sets
    [ ! -e "$ab_run/arrivals" ] || . "$ab_run/arrivals"
}

ab_fetched() { # NAME
    [ "$ab_own" = "$ab_run" ] || [ ! -e "${ab_run%/*}/$1" ] || cp -p -- "${ab_run%/*}/$1" "$1"
    ab_arrived "$1"
}

ab_arrived() { # PATH
    [ -e "$1" ] || ab_fail "input $1 has not arrived: was it removed after submission?"
}

ab_resolve() { # MATCH...; all before any file is moved that a link leads to
    for ab_file; do
        { [ ! -e "$ab_file" ] && [ ! -L "$ab_file" ]; } || ab_make_movable "$ab_file" || {
            ab_missing=1
            rm -rf -- "$ab_file" "$ab_file.part"
        }
    done
}

ab_make_movable() { # FILE; systems pass over links that lead nowhere, and over pipes
    [ -z "$(find "./$1" -type l | sed 1q)" ] || {
        cp -RL -- "$1" "$1.part" && rm -rf -- "$1" && mv -- "$1.part" "$1" || return 1
    }
    ab_odd=$(find "./$1" ! -type f ! -type d | sed 1q)
    [ -n "$ab_odd" ] || return 0
    echo "anybatch: job $ab_index: output $ab_odd: neither file nor folder" >&2
    return 1
}

ab_vouch() { # OUTPUT; a system may leave half of a file, so how long it is comes along
    [ "$ab_pass" = others ] || return 0
    ab_target=$ab_output_dir/$1
    [ -e "$ab_target" ] || return 0
    (
        cd -- "${ab_target%/*}" && find "./${ab_target##*/}" -type f -exec \
            sh -c 'for f; do printf "%s %s\n" "$(($(wc -c <"$f")))" "$f"; done' sh {} +
    ) >"${ab_target%/*}/.${ab_target##*/}.whole"
}
