"""How fast imported tables open and answer, and what an import takes, as ratios within one run.

``NASARENA_FULL_SIZE=FILE.pth`` imports that file (see full_size.py) and reports time and memory.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from nasarena.spaces import Table
from nasarena.spaces import library as tables
from nasarena.spaces.formats import Imported
from nasarena.spaces.formats.trainings import COLUMNS

sys.path.insert(0, str(Path(__file__).parent))


def report(capsys, text):
    with capsys.disabled():
        print(f"\n  {text}")


@pytest.fixture
def whole(library):
    """NAS-Bench-201 with all curves: 15,625 cells, 200 epochs, three seeds, four columns."""
    rng = np.random.default_rng(0)
    shape = 15_625, 200, 3
    number = np.arange(shape[0], dtype=np.int32)
    names = ("validation", "test", "train", "seconds")
    table = Table(
        tuple(range(1, 201)),
        {name: rng.uniform(10, 95, shape) for name in names},
        spelling=number,
        canonical=number,
        row_of=number,
    )
    columns = tuple(column for column in COLUMNS if column.name in names)
    found = Imported("whole", "cifar10", table, columns, "nasbench201", "made up")
    origin = {"format": "made up", "reader": 1, "sources": [], "imported": "2026-11-26"}
    tables.add([found], origin | {"identity": "0" * 64})
    return library


OPEN = """
import resource, sys
from time import perf_counter
import pyarrow
from nasarena.bench.experiment import registry
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = perf_counter()
task = registry.task("whole/cifar10")
value = task.table.columns["validation"][7000, 100, 1]
print(1000 * (perf_counter() - begin), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_opening_a_whole_table(benchmark, capsys, whole):
    """300 MB of curves: milliseconds until the first number, and what that adds to memory."""

    def opened():
        done = subprocess.run(
            [sys.executable, "-c", OPEN], capture_output=True, text=True, check=True
        )
        return [float(word) for word in done.stdout.split()]

    found = [opened() for _ in range(5)]
    milliseconds = sorted(f[0] for f in found)[2]
    more = max(f[1] for f in found) / 1000
    benchmark(lambda: None)
    report(capsys, f"opening 300 MB of curves: {milliseconds:.1f} ms, {more:.1f} MB more resident")


def test_look_ups(benchmark, capsys, whole):
    """Numbers a second: one at a time, and many at once, against a bare array in memory."""
    table = tables.benchmark("whole").open("cifar10")
    values = table.columns["validation"]
    rng = np.random.default_rng(1)
    places = [tuple(row) for row in rng.integers(0, (15_625, 200, 3), (100_000, 3)).tolist()]
    one = values.item

    def single():
        for place in places:
            one(place)

    single()
    begin = perf_counter()
    single()
    each = len(places) / (perf_counter() - begin)
    rows = rng.integers(0, 15_625, 10_000_000)
    last = np.ascontiguousarray(values[:, -1, 1])
    flat = values.reshape(-1)
    many = np.sort(rng.integers(0, flat.size, 10_000_000))

    def rate(function, size):
        function()
        begin = perf_counter()
        function()
        return size / (perf_counter() - begin)

    rates = {
        "one training at its last epoch": rate(lambda: last[rows], len(rows)),
        "anywhere, in order": rate(lambda: flat[many], len(many)),
        "a whole column": rate(values.sum, values.size),
    }
    benchmark(single)
    shown = ", ".join(f"{name} {found / 1e6:.0f}" for name, found in rates.items())
    report(
        capsys, f"single look-ups: {each / 1e6:.1f} million a second; at once, millions: {shown}"
    )


IMPORT = """
import resource, sys
from pathlib import Path
from time import perf_counter, process_time
begin = process_time()
if sys.argv[1] == "ours":
    from nasarena.spaces.formats import nasbench201
    nasbench201.CELLS = int(sys.argv[3])
    for found in nasbench201.read([Path(sys.argv[2])], None, lambda part: None):
        pass
else:
    import torch
    from functools import partial
    torch.load = partial(torch.load, weights_only=False)
    from nas_201_api import NASBench201API
    begin = process_time()
    NASBench201API(sys.argv[2], verbose=False)
print(process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_import_against_the_official_package(benchmark, capsys, tmp_path):
    """600 cells with all curves. The official package takes its time at every start, we once."""
    if importlib.util.find_spec("nas_201_api") is None:
        pytest.skip("the official package is not installed: pip install nas-bench-201")
    pytest.importorskip("torch")
    import full_size

    path, cells = tmp_path / "NAS-Bench-201.pth", 600
    full_size.write(path, cells)

    def measured(who):
        words = [sys.executable, "-c", IMPORT, who, str(path), str(cells)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return [float(word) for word in done.stdout.split()]

    ours, theirs = measured("ours"), measured("official")
    benchmark(lambda: None)
    report(
        capsys,
        f"600 cells: import {ours[0]:.1f} s and {ours[1] / 1e6:.2f} GB, the official package's "
        f"loading {theirs[0]:.1f} s and {theirs[1] / 1e6:.2f} GB; per 1,000 cells "
        f"{ours[1] / cells / 1000:.2f} and {theirs[1] / cells / 1000:.2f} GB",
    )


def test_import_of_a_whole_file(benchmark, capsys, library):
    path = os.environ.get("NASARENA_FULL_SIZE")
    if not path:
        pytest.skip("NASARENA_FULL_SIZE names no file; see full_size.py")
    code = (
        "import resource, sys; from pathlib import Path; from nasarena.studies import data; "
        "data.import_files('nasbench201', [Path(sys.argv[1])]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    begin = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    benchmark(lambda: None)
    seconds, peak = perf_counter() - begin, int(done.stdout) / 1e6
    report(capsys, f"a whole file: {seconds:.0f} s, {peak:.2f} GB at most")
    assert peak < 3
