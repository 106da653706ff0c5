import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "helpers")]


@pytest.fixture(autouse=True)
def own_vault(tmp_path_factory, monkeypatch):
    """No test reads or fills the vault of whoever runs it."""
    folder = tmp_path_factory.mktemp("vault")
    monkeypatch.setenv("NASARENA_VAULT", str(folder))
    monkeypatch.delenv("NASARENA_VAULT_URL", raising=False)
    return folder
