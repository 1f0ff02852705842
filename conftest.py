"""What holds for the tests of all distributions."""

from hypothesis import settings

# No test says how long something takes: the machine may be busy with others.
settings.register_profile("anybatch", deadline=None)
settings.load_profile("anybatch")
