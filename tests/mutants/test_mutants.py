"""Which faults are made, and what becomes of a module whose tests notice some of them."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from mutations import mutations

RUN = Path(__file__).parent / "run.py"

SOURCE = '''
from typing import Any

"""Not a fault: a text, nor an annotation or a message."""
LIMIT = 10


def total(prices: list[int], *, most: int = LIMIT) -> int:
    """The sum of the prices that are below a limit."""
    if not prices:
        raise ValueError("expected 1 price at least")
    return sum(price for price in prices if price < most) + 1
'''
FEW_TESTS = """
from shop import total

def test_total():
    assert total([1, 2, 30]) == 4
"""
TESTS = f"""
import pytest
{FEW_TESTS}
def test_the_limit():
    assert total([9, 10, 11]) == 10
    assert total([9, 10, 11], most=11) == 20

def test_nothing():
    with pytest.raises(ValueError):
        total([])
"""

TARGETS = """
preload = []
options = []
[modules]
shop = ["test_shop.py"]
"""


def names(source):
    return [mutation.name for mutation in mutations(source)]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("f(a < b)", ["f(a < b) → pass", "f(a < b) → f(a <= b)", "f(a < b) → f(a >= b)"]),
        ("x = a and not b", ["a or not b", "a and b"]),
        ("x = y + 1", ["y - 1", "y", "y + 2", "y + 0"]),
        ("x = f(a, b, key=c)", ["f(b, a, key=c)", "f(a, b)"]),
        ("x = a if b else c", ["a", "c"]),
        ("x = min(a)", ["max(a)"]),
        ("x = True", ["x = True → pass", "x = True → x = False"]),
        ("x += y", ["x += y → pass"]),
        ("x = [a for a in b if a]", ["[a for a in b]"]),
        ("x = f'{a}: {b}'", ["f': {b}'", "f'{a}: '"]),
        ("x: int = 'text'", []),
    ],
)
def test_faults(source, changes):
    found = names(source)
    assert len(found) == len(changes)
    for name, change in zip(found, changes, strict=True):
        assert name.endswith(change)
        assert name.startswith("<module>: ")


def test_faults_have_names_of_their_own_and_make_other_code():
    found = mutations(SOURCE)
    assert len({mutation.name for mutation in found}) == len(found)
    assert {mutation.function for mutation in found} == {"<module>", "total"}
    assert not [mutation for mutation in found if "1 price" in mutation.change.partition("→")[2]]
    made = {ast.unparse(mutation.applied(SOURCE)) for mutation in found}
    assert len({ast.unparse(ast.parse(SOURCE)), *made}) == 1 + len(found)
    for mutation in found:
        compile(mutation.applied(SOURCE), "shop", "exec")


@pytest.fixture
def run(tmp_path):
    """Ask the tests of a shop about its mutants: the exit status, and what is said of them."""
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "targets.toml").write_text(TARGETS)

    def run(tests, survivors="", *words):
        (tmp_path / "test_shop.py").write_text(tests)
        (tmp_path / "survivors.toml").write_text(survivors)
        made = subprocess.run(
            [sys.executable, RUN, "--jobs", "2", "--lists", ".", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return made.returncode, made.stdout

    return run


def test_survivors_need_a_reason_and_are_asked_again_when_tests_change(run):
    code, said = run(FEW_TESTS)
    assert code == 1
    assert "% killed, less than 90%" in said
    new = said.partition("['shop']\n")[2].partition("\n\n")[0]
    assert set(tomllib.loads(new)) == {
        "<module>: LIMIT = 10 → LIMIT = 9",
        "<module>: LIMIT = 10 → LIMIT = 11",
        "total: if not prices: … → if False: …",
        "total: raise ValueError('expected 1 price at least') → pass",
        "total: for price in prices if price < most → for price in prices if price <= most",
    }
    code, said = run(FEW_TESTS, f'[shop]\n{new}\n"total: gone" = ""\n')
    assert "gives no reason" not in said
    assert "shop: does not survive any more: total: gone" in said
    assert said.startswith("shop ")  # nothing was run again
    code, said = run(TESTS)
    assert code == 0
    assert said.count("killed    shop:") == 5
    assert "100.0% killed" in said


def test_tests_that_fail_without_a_mutation_are_told(run):
    code, said = run(FEW_TESTS + "\ndef test_wrong():\n    assert total([1]) == 1\n")
    assert code == 1
    assert said.startswith("shop: without a mutation its tests fail\n")
    assert "test_wrong" in said
