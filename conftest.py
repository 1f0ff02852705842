"""What holds for the tests of all distributions."""

import signal

from hypothesis import HealthCheck, settings

# No test says how long something takes: the machine may be busy with others.
settings.register_profile("anybatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anybatch")

# Jobs inherit what is ignored: by a shell's background INT and QUIT, by nohup HUP, which ends no
# tests all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)
