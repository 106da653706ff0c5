"""The pytest plugin. Imports nothing heavy, for pytest always loads it.

The fixture ``nasarena`` has the assertions:

    def test_mine(nasarena):
        nasarena.assert_not_worse("mine.py:mine", than="random", task="nasbench201/cifar10")
        nasarena.assert_reproducible("mine.py:mine", task="nasbench201/cifar10")

With pytest-benchmark, a file written by ``--benchmark-json`` also holds how fast the machine was
before and after, so that ``nasarena gate`` can compare it with one of another machine.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

_calibration = pytest.StashKey[list[float]]()


@pytest.fixture(scope="session")
def nasarena() -> ModuleType:
    """``assert_not_worse`` and ``assert_reproducible``, of `nasarena.testing.assertions`."""
    from . import assertions

    return assertions


def pytest_sessionstart(session: pytest.Session) -> None:
    """Measure the machine before the benchmarks, where their times are to be written."""
    if session.config.getoption("benchmark_json", None):
        from ..bench._base import calibration

        session.config.stash[_calibration] = calibration.measure()


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Measure it again after them, and keep both."""
    from ..bench._base import calibration

    before = config.stash.get(_calibration, [])
    output_json["nasarena"] = {
        "calibration": calibration.VERSION,
        "seconds": [*before, *calibration.measure()],
    }
