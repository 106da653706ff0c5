"""Who may import whom, and what must not be imported before it is needed."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ALLOWED = {
    "spaces": {"spaces"},
    "bench": {"bench", "spaces"},
    "strategies": {"strategies", "spaces", "bench.strategy", "bench.types", "bench.lanes"},
    "reports": {"reports", "bench.store", "bench.scan", "bench.errors"},
}
HEAVY = {
    *("dask", "distributed", "fsspec", "matplotlib", "optuna"),
    *("pandas", "pyarrow", "scipy", "seaborn", "torch"),
}


def imported(source, room):
    """The modules of ours that a file of ``room`` imports, as "room.module" or "room".

    ``room`` may be a package within one, "spaces.formats".
    """
    found = set()
    parts = f"nasarena.{room}".split(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = ".".join([*parts[: len(parts) + 1 - node.level], ""]) if node.level else ""
            module = start + (node.module or "")
            names = [f"{module}.{alias.name}".replace("..", ".") for alias in node.names]
        else:
            continue
        found.update(name.removeprefix("nasarena.") for name in names if "nasarena" in name)
    return found


def trespasses(source, room):
    allowed = ALLOWED[room.partition(".")[0]]
    return {
        name
        for name in imported(source, room)
        if not any(name == a or name.startswith(a + ".") for a in allowed)
    }


def folder(room):
    (place,) = find_spec(f"nasarena.{room}").submodule_search_locations
    return Path(place)


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_what_they_may(room):
    top = folder(room)
    files = sorted(top.rglob("*.py"))
    assert len(files) > 3
    packages = {path: ".".join([room, *path.parent.relative_to(top).parts]) for path in files}
    wrong = {path.name: trespasses(path.read_text(), packages[path]) for path in files}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("spaces", "from ..bench import store"),
        ("spaces.formats", "from ...bench import store"),
        ("bench", "from ..strategies import random_search"),
        ("bench", "import nasarena.reports"),
        ("strategies", "from ..bench.oracle import TableOracle"),
        ("strategies", "from ..bench import oracle"),
        ("reports", "from ..spaces import Table"),
        ("reports", "def f():\n    from nasarena.bench.core.task import Task"),
    ],
)
def test_the_guard_notices(room, line):
    assert trespasses(line, room)


@pytest.mark.parametrize(
    "module",
    [
        "bench",
        "bench.cli",
        "bench.data",
        "spaces",
        "spaces.formats.own",
        "spaces.nasbench201",
        "strategies.optuna_sampler",
        "reports",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(module):
    code = f"import sys, nasarena.{module}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(said.stdout.split()) == set()


def test_help_does_not_wait_for_numpy():
    code = "import sys, nasarena.cli.main; print('numpy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_the_public_surface():
    import nasarena.bench
    import nasarena.reports
    import nasarena.spaces

    assert nasarena.bench.__all__ == [
        "Observation",
        "Problem",
        "Query",
        "Strategy",
        "StrategyInfo",
        "checks",
        "strategy",
    ]
    assert nasarena.reports.__all__ == ["FORMATS", "write_report"]
    assert nasarena.spaces.__all__ == [
        "Arch",
        "CellSpace",
        "Column",
        "Condition",
        "Decision",
        "MissingPackage",
        "PoolSpace",
        "SearchSpace",
        "Table",
        "TableBenchmark",
    ]
