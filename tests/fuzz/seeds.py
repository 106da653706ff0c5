"""Makes the smallest sound file of every reader: what a fuzzer starts from.

``python tests/fuzz/seeds.py`` writes them to ``tests/fuzz/corpus/<reader>/seed``. All numbers are
made up.
"""

from __future__ import annotations

import base64
import bz2
import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parent))
import readers

from nasarena.bench import strategy
from nasarena.bench.cache import cache_entry
from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import unit_file
from nasarena.spaces.formats.nasbench101 import masked_crc
from nasarena.spaces.published import nasbench101, nasbench201

CORPUS = Path(__file__).parent / "corpus"


def seeds() -> dict[str, list[bytes]]:
    """Reader -> sound files."""
    unit = _unit()
    cell = nasbench201.SPACE.describe((0,) * 6)
    asr = [{"dataset_type": "training", "seed": 1, "epochs": 1, "columns": ["", "a", "b"]}]
    asr[0]["search_space"] = {"ops": ["linear", "zero"], "nodes": 1}
    rows = [["h1", [0.5], 0.5, [[0, 0]]], ["h2", [0.25], 0.5, [[1, 1]]]]
    own = "width,op,epochs,seed,accuracy,seconds\n1,a,1,0,0.5,1\n2,a,1,0,0.25,2\n"
    tidy = "task,strategy,seed,loss,epochs,arch\na,b,0,0.5,1,1 0\na,b,0,0.25,1,0 1\n"
    return {
        "experiment": [
            b'name = "x"\ntasks = ["nasbench201/cifar10"]\nseeds = 2\nnoise = "mean"\n'
            b'strategies = ["random", {name = "local-search", label = "l"}]\n'
            b"[budget]\nqueries = 5\nseconds = 1.5\n"
        ],
        "manifest": [manifests.text(readers.a_manifest()).encode()],
        "unit": [_parquet(unit), unit_file.sealed_bytes(unit)],
        "beside-units": [
            _json({"version": 1, "files": {}}) + b"\n",
            _json({"event": "start"}) + b"\n",
        ],
        "packed": [_parquet(_packed(unit))],
        "vault-entry": [cache_entry.pack(readers.task(), unit, _about())],
        "vault-index": [
            _json({"entries": {f"a.{'0' * 16}.{'0' * 8}.0-1.parquet": "00"}}),
            _json({"a/b": [[1.0, 2.0], [0.5, 0.25]]}),
        ],
        "table-cache": [_arrow()],
        "pickle": [
            pickle.dumps({"a": [1.0, (2, None)], "b": np.float64(0.5)}),
            pickle.dumps({"a": [1.0, (2, None)], "b": np.float32(0.5)}, 0),
        ],
        "nasbench101": [_tfrecord()],
        "nasbench201": [_torch_zip({"meta_archs": [cell], "arch2infos": {}}), _torch_old()],
        "nats": [bz2.compress(pickle.dumps({"12": {"arch_str": cell, "all_results": {}}}))],
        "graph": [
            pickle.dumps({1: {"dur": [[0.5, 0.5, 0.5, 1.0]], "latency": 0.5, "para": 0.25}}, 4)
        ],
        "macro": [_json({"0" * 8: {"test_acc": [1.0, 2.0, 3.0], "params": 1, "flops": 2}})],
        "nlp": [_zip({f"logs/{op}.json": _json(_nlp(op)) for op in ("linear", "blend")})],
        "hardware": [
            pickle.dumps(
                {"nasbench201": {"cifar10": {"config": [{"arch_str": cell}], "x_latency": [1.0]}}}
            )
        ],
        "hardware-csv": [b'net,x_latency\n"(0, 1, 2, 3, 4, 0)",1.5\n'],
        "zero-cost": [f"net_str,flops\n{cell},1.5\n".encode()],
        "transnas": [_torch_zip(_transnas())],
        "asr": [b"".join(map(pickle.dumps, (*asr, rows)))],
        "own-csv": [own.encode()],
        "own-parquet": [_parquet(pa.Table.from_pandas(pd.read_csv(io.StringIO(own))))],
        "description": [readers._DESCRIPTION.encode() + b'[choices]\nop = ["a", "b"]\n'],
        "tidy-csv": [tidy.encode()],
        "tidy-parquet": [_parquet(pa.Table.from_pandas(pd.read_csv(io.StringIO(tidy))))],
        "tidy-manifest": [manifests.text(readers.a_manifest()).encode()],
        "carps": [
            b"task_id,optimizer_id,seed,n_trials,trial_value__cost,trial_value__time\n"
            b'a,b,0,1,0.5,1.0\na,b,0,2,"[0.25]",2.0\n'
        ],
        "syne-tune": [_json(readers._SYNE_TUNE)],
        "syne-tune-rows": [readers.SYNE_TUNE_ROWS],
        "ioh": [_json(_ioh())],
        "coco": [
            b"suite = 'bbob', funcId = 1, DIM = 2, Precision = 1e-08, algId = 'b'\n"
            b'% {"nasarena": ["a", "b"]}\nf1.dat, 1:2|5.0e-01\n'
        ],
        "history": [_json(_row())],
        "recipe": [_recipe(), b'% nasarena: {"hash": "0", "kind": "table"}\n'],
    }


def _json(data: object) -> bytes:
    return json.dumps(data).encode()


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def _about() -> dict[str, object]:
    facts = {"task": readers.TASK, "settings": {}, "duplicates": "charge", "workers": 1}
    budget = {"queries": 3, "epochs": None, "seconds": None}
    return {"key": "k", "facts": facts, "packages": {}, "budget": budget, "made": {}}


def _unit() -> pa.Table:
    task = readers.task()
    made = strategy(family="test")(_sampler)
    runs = {seed: run_seed(task, made, {}, seed, Budget(queries=3)) for seed in (0, 1)}
    for run in runs.values():
        run.thinking = [0.0] * len(run)  # measured: the files would differ each time
    return record.to_table(task, runs, {"task": task.id})


def _sampler(problem, rng):
    while True:
        yield problem.space.sample(rng)


def _packed(unit: pa.Table) -> pa.Table:
    names = pa.array([readers.TASK] * len(unit)), pa.array([readers.LABEL] * len(unit))
    table = unit.drop_columns(["start", "thinking"])
    table = table.append_column("task", names[0]).append_column("strategy", names[1])
    text = manifests.text(readers.a_manifest())
    return table.replace_schema_metadata({"nasarena.manifest": text})


def _arrow() -> bytes:
    from tempfile import TemporaryDirectory

    from nasarena.spaces import cache
    from nasarena.spaces.table import Rows, Table

    number = np.arange(2, dtype=np.int32)
    values = {name: np.ones((2, 1, 1)) for name in ("validation", "seconds")}
    with TemporaryDirectory() as name:
        path = Path(name) / "a.arrow"
        cache.write(Table.from_rows(Rows((1,), values, number, number), "some"), path, {})
        return path.read_bytes()


def _tfrecord() -> bytes:
    cell = nasbench101.SPACE.sample(Random(0))
    from nasarena.spaces.published.nasbench101 import module_hash

    measured = b"".join(
        b"\x0a" + bytes([36]) + b"".join(struct.pack("<Bd", n << 3 | 1, 0.5) for n in range(1, 5))
        for _ in range(3)
    )
    measured = measured.replace(struct.pack("<Bd", 9, 0.5), struct.pack("<Bd", 41, 0.5))
    raw = base64.b64encode(measured + b"\x10\x05").decode()
    operations, matrix = _published(cell)
    body = json.dumps([module_hash(cell), 108, matrix, operations, raw]).encode()
    head = struct.pack("<Q", len(body))
    crc = struct.pack("<I", masked_crc(head))
    return head + crc + body + struct.pack("<I", masked_crc(body))


def _published(arch: tuple[int, ...]) -> tuple[str, str]:
    labels, edges = nasbench101.SPACE.graph(arch)
    count = len(labels)
    on = {a * count + b for a, b in edges}
    matrix = "".join("1" if place in on else "0" for place in range(count * count))
    return ",".join(labels), matrix


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def _torch_zip(data: object) -> bytes:
    return _zip({"archive/data.pkl": pickle.dumps(data, 2), "archive/version": b"3\n"})


def _torch_old() -> bytes:
    parts = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"meta_archs": []})
    return b"".join(pickle.dumps(part, 2) for part in parts)


def _nlp(operation: str) -> dict[str, object]:
    node = {"op": operation, "input": ["x", "h_prev_0"]}
    return {
        "recepie": json.dumps({"h_new_0": node}),
        "data": "data/ptb",
        "epochs": 1,
        "num_params": 1,
        "wall_times": [1.0],
        **{f"{name}_losses": [0.5] for name in ("train", "val", "test")},
    }


def _transnas() -> dict[str, object]:
    names = ["valid_top1", "test_top1", "train_top1", "time_elapsed"]
    one = {"metrics": {n: [0.5] for n in names}, "model_info": {"model_params": 1}}
    networks = {f"64-41414-{n}_00_000": {"class": one} for n in "01"}
    return {
        "data": {"micro": networks},
        "task_list": ["class"],
        "metrics_dict": {"class": names},
    }


def _ioh() -> dict[str, object]:
    scenario = {"dimension": 2, "path": "f1.dat", "runs": [{"evals": 2}]}
    return {
        "function_name": "f",
        "maximization": False,
        "algorithm": {"name": "b"},
        "nasarena": {"seeds": [0]},
        "scenarios": [scenario],
    }


def _row() -> dict[str, object]:
    return {
        "schema": 1,
        "commit": "0" * 40,
        "time": "2026-01-01T00:00:00+00:00",
        "task": "a",
        "strategy": "b",
        "metric": "regret",
        "value": 0.5,
        "deviation": None,
        "count": 3,
        "unit": "%",
        "protocol": "0",
        "fingerprint": "",
    }


def _recipe() -> bytes:
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    figure = Figure(figsize=(0.1, 0.1), dpi=20)
    figure.savefig(buffer, format="png", metadata={"nasarena": '{"hash": "0"}'})
    return buffer.getvalue()


if __name__ == "__main__":
    for reader, files in seeds().items():
        (CORPUS / reader).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files, 1):
            (CORPUS / reader / f"seed-{number}").write_bytes(data)
