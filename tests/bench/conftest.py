import sys
from pathlib import Path

import pytest

from nasarena.bench import cli

sys.path.insert(0, str(Path(__file__).parent))


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
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
