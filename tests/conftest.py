"""Settings of every test."""

import pytest
from hypothesis import settings

# A test does not fail for being slow.
settings.register_profile("nasarena", deadline=None)
settings.load_profile("nasarena")


@pytest.fixture(autouse=True)
def library(tmp_path_factory, monkeypatch):
    """An empty library of imported tables: what the user has imported changes no test."""
    place = tmp_path_factory.mktemp("library")
    monkeypatch.setenv("NASARENA_DATA", str(place))
    return place
