"""Every reader of files that the project has, as a function of bytes, for fuzzing.

`READERS` maps a name to a function ``(folder, data)``. It puts ``data`` into the empty ``folder``
and reads it as a user would. It may return, or raise one of `EXPECTED`: whatever else comes, a
hang or a blow-up of memory is a fault of the reader.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from pickle import UnpicklingError

from msgspec.structs import replace

from nasarena.bench._base import decoding, locks
from nasarena.bench._base.errors import NasarenaError
from nasarena.bench.cache import cache_entry, run_cache
from nasarena.bench.execute import heartbeat, run_log
from nasarena.bench.experiment import experiment
from nasarena.bench.store import doctor, packed, store, unit_index
from nasarena.bench.store import manifest as manifests
from nasarena.reports.exchange import formats
from nasarena.reports.history import history
from nasarena.reports.record import provenance
from nasarena.spaces import cache as table_cache
from nasarena.spaces import unpickle
from nasarena.spaces.formats import find
from nasarena.spaces.table import BadFile
from nasarena.studies import random_curve

sys.path.append(str(Path(__file__).parents[1] / "helpers"))
toy = importlib.import_module("toy")

EXPECTED = (NasarenaError, BadFile, UnpicklingError, OSError)
"""What the command line explains in one line (see `nasarena.cli.main.main`), and `BadFile`."""

CORPUS = Path(__file__).parent / "corpus"
Reader = Callable[[Path, bytes], object]
TASK, LABEL = "toy/a", "random"


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _experiment(folder: Path, data: bytes) -> object:
    return experiment.load(_put(folder, "experiment.toml", data))


def _manifest(folder: Path, data: bytes) -> object:
    _put(folder, "manifest.json", _sealed(data))
    manifests.read(folder)
    return store.read(folder), store.fingerprints(folder)


def _sealed(data: bytes) -> bytes:
    """A manifest with the checksum that fits, or a fuzzer would never get behind it."""
    with suppress(decoding.DecodeError):
        plain = decoding.loads(data)
        if isinstance(plain, dict):
            plain.pop(manifests.CHECKSUM, None)
            return manifests.sealed(plain).encode("utf-8", "surrogatepass")
    return data


def a_manifest() -> manifests.Manifest:
    """A manifest of one task and strategy, the same each time."""
    made = toy.manifest([TASK], [LABEL], seeds=2)
    return replace(made, created="2026-01-01T00:00:00+00:00")


def _unit(folder: Path, data: bytes) -> object:
    manifests.write(folder, a_manifest())
    path = _put(folder, f"runs/{TASK}/{LABEL}/0-1.parquet", data)
    store.damage(path)
    with suppress(store.StoreError):
        store.read_unit(path)
    with suppress(store.StoreError):
        store.fingerprints(folder)
    return store.read(folder)


def _beside_units(folder: Path, data: bytes) -> object:
    """What a run leaves beside its results: its log, its index, what is under way, who holds it."""
    manifests.write(folder, a_manifest())
    unit = (CORPUS / "unit" / "seed-1").read_bytes()
    _put(folder, f"runs/{TASK}/{LABEL}/0-1.parquet", unit)
    _put(folder, f"{run_log.FOLDER}/a.jsonl", data)
    _put(folder, f"{heartbeat.FOLDER}/a.json", data)
    _put(folder, unit_index.NAME, data)
    _put(folder, locks.HOLDER, data)
    index = unit_index.UnitIndex(folder)
    place = store.unit_path(folder, store.Unit(TASK, LABEL, 0, 1))
    said = [*run_log.events(folder / run_log.FOLDER / "a.jsonl")], locks.holder(folder)
    parts = [*index.parts_of(store.Unit(TASK, LABEL, 0, 1), place)]
    return said, parts, heartbeat.under_way(folder), [*doctor.examine(folder)]


def _packed(folder: Path, data: bytes) -> object:
    path = _put(folder, "packed.parquet", data)
    packed.manifest_text(path)
    return store.read(path)


@cache
def task() -> object:
    """A small task, for vault entries."""
    return toy.task()


def _vault_entry(folder: Path, data: bytes) -> object:
    cache_entry.about(data)
    return cache_entry.unpack(task(), data)


def _vault_index(folder: Path, data: bytes) -> object:
    own = run_cache.Folder(folder)
    _put(folder, "refused.json", data)
    random_curve.read.cache_clear()
    random_curve.read(folder / "refused.json")
    with suppress(NasarenaError):
        run_cache.refused(own)
    return run_cache.read_index(data)


def _table_cache(folder: Path, data: bytes) -> object:
    _put(folder, f"some-v{table_cache.FORMAT}.arrow", data)
    return table_cache.load(folder, "some")


_MEMO = re.compile(rb"(?=r(....))", re.DOTALL)


def _pickle(folder: Path, data: bytes) -> object:
    # Python's unpickler makes room for as many memo entries as it is told of: see SECURITY.md.
    if any(int.from_bytes(found[1], "little") >> 20 for found in _MEMO.finditer(data)):
        return None
    return unpickle.load(_put(folder, "table.pkl", data))


def _official(name: str, file: str) -> Reader:
    def read(folder: Path, data: bytes) -> object:
        return [*find(name).read([_put(folder, file, data)], None, lambda part: None)]

    return read


def _nasbench101(folder: Path, data: bytes) -> object:
    from nasarena.spaces.formats import nasbench101

    nasbench101.CELLS = 1  # its arrays would take 150 MB for every file
    return _official("nasbench101", "nasbench_full.tfrecord")(folder, data)


def _nats(folder: Path, data: bytes) -> object:
    from nasarena.spaces.formats import nats

    nats.NETWORKS["tss"] = nats.NETWORKS["sss"] = 1
    _put(folder, "nats/000000.pickle.pbz2", data)
    return [*find("nats-bench").read([folder / "nats"], None, lambda part: None)]


_DESCRIPTION = """
name = "mine"
decisions = ["width", "op"]
epochs = "epochs"
replica = "seed"
validation = { column = "accuracy", direction = "maximize" }
cost = "seconds"
"""


def _own(file: str) -> Reader:
    def read(folder: Path, data: bytes) -> object:
        table = _put(folder, file, data)
        described = _put(folder, "mine.toml", _DESCRIPTION.encode())
        return [*find("table").read([table], described, lambda part: None)]

    return read


def _description(folder: Path, data: bytes) -> object:
    table = _put(
        folder, "mine.csv", b"width,op,epochs,seed,accuracy,seconds\n1,a,1,0,0.5,1\n2,b,1,0,1,1\n"
    )
    return [*find("table").read([table], _put(folder, "d.toml", data), lambda part: None)]


def _exchange(kind: str, file: str, source_name: str = "", **beside: bytes) -> Reader:
    """Import of results; ``file`` is a file's name, or a folder's and a file's in it.

    ``source_name`` is what is imported, if it is not ``file``; ``beside`` holds further files, a
    dot in their names spelled ``__``.
    """

    def read(folder: Path, data: bytes) -> object:
        path = _put(folder, file, data)
        for name, content in beside.items():
            _put(path.parent, name.replace("__", "."), content)
        source = folder / (source_name or file.split("/")[0])
        options = formats.Options(task=TASK, strategy=LABEL)
        out = formats.import_results(kind, str(source), folder / "out", options)
        return store.read(out)

    return read


def _history(folder: Path, data: bytes) -> object:
    return history.series(history.load(_put(folder, "history.jsonl", data)))


def _recipe(folder: Path, data: bytes) -> object:
    for kind in ("png", "pdf", "svg", "tex"):
        with suppress(*EXPECTED):
            provenance.read_recipe(_put(folder, f"figure.{kind}", data))
    return None


def _tidy_manifest(folder: Path, data: bytes) -> object:
    rows = f"task,strategy,seed,loss\n{TASK},{LABEL},0,1\n".encode()
    read = _exchange("tidy", "runs.manifest.json", "runs.csv", runs__csv=rows)
    return read(folder, _sealed(data))


_SYNE_TUNE = {
    "metric_names": ["loss"],
    "metric_mode": "min",
    "benchmark": TASK,
    "algorithm": LABEL,
    "seed": 0,
}
SYNE_TUNE_ROWS = b"trial_id,loss,epoch,st_decision,st_tuner_time\n0,0.5,1,STOP,2.0\n"
IOH_ROWS = b"evaluations raw_y\n1 0.5\n2 0.25\n"

READERS: dict[str, Reader] = {
    "experiment": _experiment,
    "manifest": _manifest,
    "unit": _unit,
    "beside-units": _beside_units,
    "packed": _packed,
    "vault-entry": _vault_entry,
    "vault-index": _vault_index,
    "table-cache": _table_cache,
    "pickle": _pickle,
    "nasbench101": _nasbench101,
    "nasbench201": _official("nasbench201", "NAS-Bench-201-v1_1.pth"),
    "nats": _nats,
    "graph": _official("nasbench-graph", "cora0.bench"),
    "macro": _official("nasbench-macro", "nas-bench-macro_cifar10.json"),
    "nlp": _official("nasbench-nlp", "logs.zip"),
    "hardware": _official("hw-nas-bench", "HW-NAS-Bench-v1_0.pickle"),
    "hardware-csv": _official("hw-nas-bench", "hw_cifar10.csv"),
    "zero-cost": _official("zero-cost", "proxies_cifar10.csv"),
    "transnas": _official("transnas", "transnas-bench_v10141024.pth"),
    "asr": _official("nasbench-asr", "nb-asr-e40-1234.pickle"),
    "own-csv": _own("mine.csv"),
    "own-parquet": _own("mine.parquet"),
    "description": _description,
    "tidy-csv": _exchange("tidy", "runs.csv"),
    "tidy-parquet": _exchange("tidy", "runs.parquet"),
    "tidy-manifest": _tidy_manifest,
    "carps": _exchange("carps", "logs.csv"),
    "syne-tune": _exchange("syne-tune", "in/metadata.json", results__csv=SYNE_TUNE_ROWS),
    "syne-tune-rows": _exchange(
        "syne-tune", "in/results.csv", metadata__json=json.dumps(_SYNE_TUNE).encode()
    ),
    "ioh": _exchange("ioh", "in/IOHprofiler_f1.json", f1__dat=IOH_ROWS),
    "coco": _exchange("coco", "in/bbobexp_f1.info", f1__dat=b"% a\n1 0 0.5 0.5 0.5\n"),
    "history": _history,
    "recipe": _recipe,
}
