"""Prints the jobs of projects as JSON. Runs in the grid client's environment.

    python3 status.py USER GROUP PROJECT...

What is printed is one line that begins with a mark, for the client prints lines of its own.
"""

import json
import sys

from BelleDIRAC.Client.helpers.common import initializeCS
from BelleDIRAC.gbasf2.lib.auth import userCreds
from BelleDIRAC.gbasf2.lib.job.information_collector import InformationCollector


@userCreds
def jobs_of(projects, login):
    """The jobs of each project, by their ids."""
    collector = InformationCollector()
    found = checked(
        collector.getAllJobsInProjects(
            projects, date="1970-01-01", login=login, statuses={"Status": ["all"]}
        )
    )
    jobs = {}
    for project in projects:
        items = found.get(project)
        jobs[project] = checked(collector.getJobSummary(items)) if items else {}
    return jobs


def checked(answer):
    """The value of an answer; ends where there is none."""
    if not answer.get("OK", "Value" in answer):
        sys.exit(f"ERROR: {answer.get('Message')}")
    return answer["Value"]


if __name__ == "__main__":
    initializeCS()
    user, group, *projects = sys.argv[1:]
    print("\n@anybatch " + json.dumps(jobs_of(projects, [user, group]), default=str))
