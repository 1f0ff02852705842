"""What holds for the tests of all distributions."""

import signal

from hypothesis import settings

# No test says how long something takes: the machine may be busy with others.
settings.register_profile("anybatch", deadline=None)
settings.load_profile("anybatch")

# Jobs inherit what is ignored, and what is started in a shell's background ignores these.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
