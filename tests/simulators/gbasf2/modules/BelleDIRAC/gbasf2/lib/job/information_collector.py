"""Where the status of jobs comes from."""

import sys
import time

import gridsim


class InformationCollector:
    """Asks for jobs."""

    def getAllJobsInProjects(self, projects, date=None, login=None, statuses=None):
        """The jobs of each project."""
        gridsim.log_call("status", list(projects))
        with gridsim.grid() as g:
            _faults(g)
            if g.take("status_empty"):
                return {"OK": True, "Value": {name: {} for name in projects}}
            return {"OK": True, "Value": {name: list(g.of(name)) for name in projects}}

    def getJobSummary(self, items):
        """What is known of these jobs."""
        with gridsim.grid() as g:
            return {"OK": True, "Value": {name: g.shown(g.jobs[name]) for name in items}}


def _faults(g):
    if g.take("status_garbage") or g.proxy_left() <= 0:
        print(gridsim.NO_VOMS)
        sys.exit(0)
    if g.take("status_breaks"):
        sys.exit("Traceback: cannot connect to WorkloadManagement/JobMonitoring")
    if g.take("status_hangs"):
        time.sleep(1000)
