# ---- container: a program around the command, which runs this script once more inside

ab_note_file() { # PATH
    [ ! -e "$1" ] || ab_files=$ab_files${ab_files:+,}$1
}

ab_got_inside() { # whether the wrapper came so far as to run this script
    ab_read_start
    case $ab_nl$ab_line$ab_nl in
    *"${ab_nl}inside$ab_nl"*) ;;
    *) return 1 ;;
    esac
}
