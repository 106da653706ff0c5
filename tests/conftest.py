"""Settings of every test."""

import sys
from pathlib import Path

import pytest

from nasarena.cli import main

sys.path.insert(0, str(Path(__file__).parent / "helpers"))

import properties

properties.load_profile()


@pytest.fixture(autouse=True)
def library(tmp_path_factory, monkeypatch):
    """An empty library of imported tables: what the user has imported changes no test."""
    place = tmp_path_factory.mktemp("library")
    monkeypatch.setenv("NASARENA_DATA", str(place))
    return place


@pytest.fixture(autouse=True)
def own_vault(tmp_path_factory, monkeypatch):
    """No test reads or fills the vault of whoever runs it."""
    folder = tmp_path_factory.mktemp("vault")
    monkeypatch.setenv("NASARENA_VAULT", str(folder))
    monkeypatch.delenv("NASARENA_VAULT_URL", raising=False)
    return folder


@pytest.fixture
def nasarena(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["nasarena", *map(str, words)])
        try:
            main.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
