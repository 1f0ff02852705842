"""Prints the files of datasets as JSON. Runs in the grid client's environment.

python3 ds_list.py names USER DATASET...     [name, ...]
python3 ds_list.py files USER DATASET...     {name: [size, Adler-32], ...}, null where not told
"""

import json
import sys

from BelleDIRAC.Client.helpers.common import initializeCS
from BelleDIRAC.gbasf2.lib.auth import userCreds
from BelleDIRAC.gbasf2.lib.ds.manager import Manager

AT_ONCE = 1000  # files in one question to the catalogue


@userCreds
def names_of(datasets, user):
    """The logical names of all files of some datasets."""
    names = []
    for dataset in datasets:
        names += checked(Manager().getLfns(dataType=None, dataset=dataset, user=user))
    return names


@userCreds
def files_of(datasets, user):
    """These names with what the catalogue tells of the files."""
    # Whoever counts inputs needs no catalogue.
    from DIRAC.Resources.Catalog.FileCatalog import FileCatalog

    names, rows = names_of(datasets, user), {}
    for start in range(0, len(names), AT_ONCE):
        answer = checked(FileCatalog().getFileMetadata(names[start : start + AT_ONCE]))
        rows.update(answer.get("Successful", {}))
    return {name: described(rows.get(name, {})) for name in names}


def described(row):
    """Size and checksum; catalogues know other checksums, too."""
    is_adler = str(row.get("ChecksumType", "")).lower() == "adler32"
    return [row.get("Size"), row.get("Checksum") if is_adler else None]


def checked(answer):
    """The value of an answer; ends where there is none."""
    if not answer["OK"]:
        sys.exit(f"ERROR: {answer.get('Message')}")
    return answer["Value"]


if __name__ == "__main__":
    initializeCS()
    what, user, *datasets = sys.argv[1:]
    answer = (files_of if what == "files" else names_of)(datasets, user)
    print("\n@anybatch " + json.dumps(answer, default=str))
