"""Who may import whom, and what must not be imported before it is needed."""

import ast
import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARIES = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
ALLOWED = {
    "spaces": {"spaces"},
    "bench": {"bench", "spaces"},
    "strategies": {
        "strategies",
        "spaces",
        "bench.core.strategy",
        "bench.core.types",
        "bench.core.vectorized",
    },
    "reports": {"reports", "bench.store", "bench._base"},
    "nasarena": {"cli", "studies", "testing", "bench", "spaces", "reports"},
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
    parts = ["nasarena", *(part for part in room.split(".") if part != "nasarena")]
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
    name = room if room == "nasarena" else f"nasarena.{room}"
    return Path(find_spec(name).origin).parent


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_what_they_may(room):
    top = folder(room)
    # Once installed, the folders of all rooms lie in that of the front door.
    others = [top / other for other in ALLOWED if room == "nasarena" and other != room]
    files = [p for p in sorted(top.rglob("*.py")) if not any(map(p.is_relative_to, others))]
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
        ("strategies", "from ..bench.core.oracle import TableOracle"),
        ("strategies", "from ..bench.core import oracle"),
        ("reports", "from ..spaces import Table"),
        ("reports", "def f():\n    from nasarena.bench.core.task import TableTask"),
    ],
)
def test_the_guard_notices(room, line):
    assert trespasses(line, room)


@pytest.mark.parametrize(
    "module",
    [
        "bench",
        "cli.main",
        "studies.data",
        "spaces",
        "spaces.formats.own",
        "spaces.published.nasbench201",
        "strategies.adapters.optuna_sampler",
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
        "Answer",
        "BaseTask",
        "ColumnFacts",
        "InvalidProposal",
        "Observation",
        "Oracle",
        "Outcome",
        "PerMetric",
        "Problem",
        "Query",
        "Strategy",
        "StrategyInfo",
        "Task",
        "TaskFacts",
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


def test_a_plain_checkout_can_be_imported():
    code = "import nasarena.bench.core.runner as r, nasarena; print(r.__file__, nasarena.__file__)"
    command = [sys.executable, "-S", "-c", code]
    said = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}{os.pathsep}{LIBRARIES}"},
    )
    assert said.stdout.split() == [
        str(ROOT / "bench/core/runner.py"),
        str(ROOT / "nasarena/__init__.py"),
    ], said.stderr


def test_every_package_is_in_the_distribution():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    tops = ("nasarena", "bench", "spaces", "strategies", "reports")
    folders = [path.parent.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*.py")]
    names = {".".join(("nasarena", *folder.parts)): str(folder) for folder in folders}
    names = {name.replace("nasarena.nasarena", "nasarena"): at for name, at in names.items()}
    assert settings["package-dir"] == names
    assert sorted(settings["packages"]) == sorted(names)
    assert all((ROOT / place / "__init__.py").is_file() for place in names.values())
