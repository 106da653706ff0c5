import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """The guides' examples neither see nor change what their reader has imported and run."""
    monkeypatch.setenv("NASARENA_DATA", str(tmp_path_factory.mktemp("library")))
    monkeypatch.setenv("NASARENA_VAULT", str(tmp_path_factory.mktemp("vault")))
