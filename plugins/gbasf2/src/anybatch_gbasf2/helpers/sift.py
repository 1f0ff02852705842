"""Removes damaged files and prints as JSON what was wrong with each: `{name: why, ...}`.

    python3 sift.py FOLDER <<< '{name: [size, Adler-32], ...}'

A size or checksum that is null is not compared. Needs nothing of the grid client.
"""

import json
import os
import sys
import zlib

PIECE = 1 << 22  # bytes


def damage(path, size, checksum):
    """What is wrong with a file; empty: nothing."""
    here = os.path.getsize(path)
    if size is not None and here != size:
        return f"{here} of {size} bytes"
    if checksum is not None and (found := adler32(path)) != int(checksum, 16):
        return f"checksum {found:08x} instead of {checksum}"
    return ""


def adler32(path):
    """The checksum that grid catalogues keep."""
    value = 1
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            value = zlib.adler32(piece, value)
    return value


if __name__ == "__main__":
    folder = sys.argv[1]
    damaged = {}
    for name, (size, checksum) in json.load(sys.stdin).items():
        path = os.path.join(folder, name)
        if why := damage(path, size, checksum):
            os.remove(path)
            damaged[name] = why
    print("\n@anybatch " + json.dumps(damaged))
