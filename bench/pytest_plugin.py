"""The pytest plugin: the fixture ``nasarena``. Imports nothing heavy, for pytest always loads it.

def test_mine(nasarena):
    nasarena.assert_not_worse("mine.py:mine", than="random", task="nasbench201/cifar10")
    nasarena.assert_reproducible("mine.py:mine", task="nasbench201/cifar10")
"""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def nasarena() -> ModuleType:
    """``assert_not_worse`` and ``assert_reproducible``, of `nasarena.bench.assertions`."""
    from . import assertions

    return assertions
