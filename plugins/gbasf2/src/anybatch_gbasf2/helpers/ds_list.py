"""Prints the files of datasets as JSON. Runs in the grid client's environment.

python3 ds_list.py USER DATASET...
"""

import json
import sys

from BelleDIRAC.Client.helpers.common import initializeCS
from BelleDIRAC.gbasf2.lib.auth import userCreds
from BelleDIRAC.gbasf2.lib.ds.manager import Manager


@userCreds
def files_of(datasets, user):
    """The logical names of all files of some datasets."""
    files = []
    for dataset in datasets:
        answer = Manager().getLfns(dataType=None, dataset=dataset, user=user)
        if not answer["OK"]:
            sys.exit(f"ERROR: {answer.get('Message')}")
        files += answer["Value"]
    return files


if __name__ == "__main__":
    initializeCS()
    user, *datasets = sys.argv[1:]
    print("\n@anybatch " + json.dumps(files_of(datasets, user), default=str))
