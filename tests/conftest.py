"""Settings of every test."""

from hypothesis import settings

# A test does not fail for being slow.
settings.register_profile("nasarena", deadline=None)
settings.load_profile("nasarena")
