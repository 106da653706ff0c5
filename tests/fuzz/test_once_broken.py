"""What the fuzzers found: each once brought a reader to an error that nobody explained."""

import bz2
import io
import json
import pickle
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz
import readers

from nasarena.bench._base import decoding
from nasarena.bench.store import manifest as manifests

PLAIN = decoding.plain(readers.a_manifest())
DEEP = b"[" * 100_000
TIDY = b"task,strategy,seed,loss,epochs,arch\n"
CARPS = b"task_id,optimizer_id,seed,n_trials,trial_value__cost\n"
TUNE = b"trial_id,loss,epoch,st_decision,st_tuner_time\n"


def seed(reader):
    return (fuzz.CORPUS / reader / "seed-1").read_bytes()


def changed(old, **new):
    return json.dumps({**old, **new}).encode()


def parquet(columns, metadata=None):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), buffer)
    return buffer.getvalue()


def zipped(reader, old, new, count=-1):
    data = seed(reader)
    assert old in data
    return data.replace(old, new, count)


def entry(**facts):
    data = seed("vault-entry")
    table = pq.read_table(io.BytesIO(data))
    said = json.loads(pq.read_metadata(io.BytesIO(data)).metadata[b"nasarena-entry"])
    said["facts"] = facts
    return parquet(table, {"nasarena-entry": json.dumps(said)})


BROKE = {
    "a manifest whose strategy has no label": (
        "manifest",
        changed(PLAIN, experiment={"tasks": ["a"], "strategies": [{"name": "b"}]}),
    ),
    "a manifest without tasks": ("manifest", changed(PLAIN, experiment={"strategies": []})),
    "a manifest without an experiment": ("manifest", b'{"schema": 2}'),
    "a manifest with a task that is no name": (
        "manifest",
        changed(PLAIN, experiment={"tasks": [1], "strategies": []}),
    ),
    "a manifest that names a task twice": (
        "manifest",
        changed(PLAIN, experiment={"tasks": ["a", "a"], "strategies": []}),
    ),
    "a manifest nested deeply": ("manifest", DEEP),
    "an experiment nested deeply": ("experiment", b"name = " + DEEP),
    "a description nested deeply": ("description", b"name = " + DEEP),
    "an index nested deeply": ("vault-index", DEEP),
    "a history nested deeply": ("history", DEEP),
    "a network nested deeply": ("macro", DEEP),
    "a refused list that is no table": ("vault-index", b"[1]"),
    "a unit whose metadata is no JSON": ("unit", parquet({"seed": [0]}, {"nasarena": "{"})),
    "a unit whose metadata is a list": ("unit", parquet({"seed": [0]}, {"nasarena": "[]"})),
    "a unit whose metadata is no text": ("unit", parquet({"seed": [0]}, {"nasarena": b"\xff"})),
    "a unit whose column's name is no text": (
        "unit",
        parquet({"seedling": [0]}).replace(b"seedling", b"\xff" * 8),
    ),
    "a packed file whose manifest is no text": (
        "packed",
        parquet({"task": ["a"], "strategy": ["b"]}, {"nasarena.manifest": b"\xff\xfe"}),
    ),
    "a packed file without tasks": (
        "packed",
        parquet({"seed": [0]}, {"nasarena.manifest": manifests.sealed(PLAIN)}),
    ),
    "a packed file with numbers as tasks": (
        "packed",
        parquet({"task": [1], "strategy": [2]}, {"nasarena.manifest": manifests.sealed(PLAIN)}),
    ),
    "a vault entry that does not say what duplicates cost": ("vault-entry", entry(task="toy/a")),
    "a pickle that ends": ("pickle", pickle.dumps({"a": 1})[:-3]),
    "a pickle of unknown text": ("pickle", b"X\x01\x00\x00\x00\xff."),
    "a pickle that calls with too little": ("pickle", b"cnumpy\ndtype\n)R."),
    "rows of speech that are none": (
        "asr",
        pickle.dumps({"dataset_type": "training"}) * 1 + pickle.dumps([[]]),
    ),
    "rows of speech that are numbers": (
        "asr",
        pickle.dumps({"dataset_type": "training"}) + pickle.dumps([1, 2]),
    ),
    "measurements that are a list": ("hardware", pickle.dumps([])),
    "an archive with a damaged directory": ("nlp", zipped("nlp", b"PK\x01\x02", b"PK\x01\x03")),
    "an archive with a damaged file": ("nlp", zipped("nlp", b"PK\x03\x04", b"PK\x03\x05")),
    "an archive of an unknown method": ("nlp", None),
    "an archive that wants a password": ("nlp", None),
    "a damaged file of torch.save": (
        "transnas",
        zipped("transnas", b"PK\x01\x02", b"PK\x01\x03"),
    ),
    "a network whose trainings are a number": (
        "nats",
        bz2.compress(pickle.dumps({"12": {"arch_str": "a", "all_results": 1}})),
    ),
    "logs without rows": ("carps", CARPS),
    "logs whose cost is no literal": ("carps", CARPS + b"a,b,0,1,x y\n"),
    "logs whose costs are of several lengths": ("carps", CARPS + b'a,b,0,1,"[1]"\na,b,0,2,"[]"\n'),
    "logs without a seed": ("carps", CARPS + b"a,b,,1,0.5\n"),
    "a cost nested deeply": ("carps", CARPS + b'a,b,0,1,"' + b"[" * 10_000 + b'"\n'),
    "rows without a seed": ("tidy-csv", TIDY + b"a,b,,0.5,1,1 0\n"),
    "rows of a seed below zero": ("tidy-csv", TIDY + b"a,b,-1,0.5,1,1 0\n"),
    "rows of a huge seed": ("tidy-csv", TIDY + b"a,b,99999999999,0.5,1,1 0\n"),
    "rows whose task is a number": ("tidy-csv", TIDY + b"1,2,0,0.5,1,1 0\n"),
    "rows without a task": ("tidy-csv", TIDY + b",b,0,0.5,1,1 0\n"),
    "rows whose loss is a word": ("tidy-csv", TIDY + b"a,b,0,x,1,1 0\n"),
    "rows whose choices are words": ("tidy-csv", TIDY + b"a,b,0,0.5,1,x\n"),
    "rows whose choices are huge": ("tidy-csv", TIDY + b"a,b,0,0.5,1,99999 0\n"),
    "a table's manifest that is a list": ("tidy-manifest", b"[]"),
    "a table's manifest without tasks": ("tidy-manifest", b'{"schema": 2}'),
    "pandas' notes in a Parquet file that are wrong": (
        "tidy-parquet",
        parquet({"task": ["a"]}, {"pandas": '{"index_columns": ["x"], "columns": [{}]}'}),
    ),
    "pandas' notes in a table of one's own that are wrong": (
        "own-parquet",
        parquet({"width": ["a"]}, {"pandas": '{"index_columns": ["x"], "columns": [{}]}'}),
    ),
    "metadata that are a number": ("syne-tune", b"1"),
    "metadata whose metrics are a number": (
        "syne-tune",
        changed(readers._SYNE_TUNE, metric_names=1),
    ),
    "results whose loss is a word": ("syne-tune-rows", TUNE + b"0,x,1,STOP,2.0\n"),
    "results whose epoch is missing": ("syne-tune-rows", TUNE + b"0,0.5,,STOP,2.0\n"),
    "a picture that claims to be huge": (
        "recipe",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff\xff\xff\x00\xff\xff\xff\x08\x02\x00\x00\x00"
        b"\xa9\xf1\x9e\x7e",
    ),
}


def flagged(flags, method):
    """The archive of logs with other flags and another method of compression in its directory."""
    data = bytearray(seed("nlp"))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(mark)
        data[start + place : start + place + 4] = bytes([flags, 0, method, 0])
    return bytes(data)


BROKE["an archive of an unknown method"] = ("nlp", flagged(0, 77))
BROKE["an archive that wants a password"] = ("nlp", flagged(1, zipfile.ZIP_DEFLATED))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", BROKE)
def test_it_is_explained_now(what):
    reader, data = BROKE[what]
    fuzz.once(reader, data)
