"""False alarms and power over 200 simulated gates, as docs/gate_error_rates.py measures them."""

import importlib.util
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from nasarena.reports.gate.gate import Verdict

SCRIPT = Path(__file__).parents[3] / "docs" / "gate_error_rates.py"
GATES = 200


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("gate_error_rates", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.STRATEGIES = 3  # in as many gates, fewer strategies: the rates are per gate
    return module


def chance(share, count):
    """What 99 of 100 simulations stay within."""
    return 2.33 * sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("name", ["normal", "skewed", "tied"])
def test_alarms_stay_below_alpha_and_planted_shifts_are_found(script, name):
    rates = script.rates(getattr(script, name), 12, GATES, quiet=GATES)
    assert rates.alarms <= script.ALPHA + chance(script.ALPHA, GATES)
    assert rates.wrongly_equal <= script.ALPHA + chance(script.ALPHA, GATES)
    assert rates.found >= 0.8 - chance(0.8, GATES)


def test_looking_in_between_keeps_the_rates_and_saves_seeds(script):
    rates = script.rates(script.normal, 24, 40, quiet=100, block=6)
    assert rates.alarms <= script.ALPHA + chance(script.ALPHA, 100)
    assert rates.found >= 0.7
    rng = np.random.default_rng(0)
    olds, news = script._draw(script.normal, rng, 24)
    verdicts, used = script._judge(olds, [news[0] + 6, *news[1:]], script.plan(24, 6))
    assert verdicts[0] is Verdict.REGRESSED
    assert used <= 12


def test_a_test_that_peeks_uncorrected_would_be_caught(script):
    """The simulation itself can fail: without alpha spending there are too many alarms."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        olds, news = script._draw(script.normal, rng, 24)
        for n in range(6, 25, 2):
            cut = [o[:n] for o in olds], [x[:n] for x in news]
            if {Verdict.REGRESSED, Verdict.IMPROVED} & {*script._gate(*cut, n, (), None)}:
                alarms += 1
                break
    assert alarms / 100 > script.ALPHA + chance(script.ALPHA, 100)


def test_the_table_in_the_guide_is_the_scripts(script):
    text = script.PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "at once" in line]
    assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == set(script.SAMPLERS)
