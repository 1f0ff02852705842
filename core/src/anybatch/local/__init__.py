"""`local`: the batch system that comes with anybatch, for the machine it runs on.

The plugin, in the shape of every plugin; it touches nothing but its `host`:

    plugin.py    the hooks
    settings.py  what can be set
    render.py    submissions and questions to text
    parse.py     answers to records
    states.py    the system's words

The batch system, which the plugin knows as the command `python -m anybatch.local`:

    __main__.py    the command line
    client.py      reaches the supervisor, and starts it on demand
    supervisor.py  one process for each user and machine: starts, watches and ends jobs
    service.py     what it answers to clients
    admission.py   which submissions it takes
    jobs.py        the table of jobs and who is next, without any input or output
    events.py      what can happen to a job
    journal.py     keeps the events, so that a supervisor that is killed loses nothing
    processes.py   what is asked of the operating system
    attributes.py  what a job gets of its submitter besides its environment
    detach.py      leaving the process family of whoever starts the supervisor
    folder.py      where all of it is kept
"""
