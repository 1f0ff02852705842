"""`python3 -m lsfsim FOLDER`: the daemon of the cluster in a folder."""

import sys

from lsfsim.mbatchd import main

if __name__ == "__main__":
    main(sys.argv[1])
