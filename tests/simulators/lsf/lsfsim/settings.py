"""What a cluster may be set to."""

from __future__ import annotations

from typing import Any

#: What a cluster is like where its `simulator.json` does not say otherwise.
DEFAULTS: dict[str, Any] = {
    "dialect": "lsf",  # or openlava
    "version": "10.1.0.12",  # of LSF
    "slots": 16,
    "memory": 16 << 30,  # of the host, as lshosts tells it
    "queues": ["normal", "short", "long"],  # the first is the default
    "max_array": 1000,  # MAX_JOB_ARRAY_SIZE
    "max_user_priority": 0,  # MAX_USER_PRIORITY; 0: it is not set
    "clean_period": 3600,  # CLEAN_PERIOD: seconds that bjobs knows of a finished job
    "terminate_interval": 10,  # JOB_TERMINATE_INTERVAL: seconds from INT to TERM to KILL
    "round": 10,  # MBD_SLEEP_TIME of OpenLava: seconds to the next round of scheduling
    "grace": 600,  # of OpenLava: seconds from USR2 at the run limit to QUIT and what follows
    "hidden": [],  # folders that are empty on the host that jobs run on
    "tmp": "",  # a folder that this host has as its /tmp; empty: ours
    "copies_late": False,  # a job is DONE or EXIT before its files (-f) are copied back
    "minute": 60,  # seconds; less of them let run limits pass sooner
    "idle": 60,  # seconds without jobs and requests after which the daemon ends
}
