"""Whatever stands where it does not belong in a foreign file is refused in a sentence.

A reader catches no `AttributeError`, `TypeError`, `KeyError` or `IndexError`: it checks its data.
So each of these that comes out here is a check that is missing.
"""

import copy
import json
import pickle
from contextlib import contextmanager
from itertools import product
from random import Random

import numpy as np
import pytest

from nasarena.spaces import foreign
from nasarena.spaces.formats import asr, graph, hardware, macro, nlp, stream, transnas, zero_cost
from nasarena.spaces.formats.trainings import Collector
from nasarena.spaces.table import BadFile

ODD = (None, "odd", "", 7, -1, 1.5, True, [], {}, [["odd"]], {"odd": None}, (1, 2), b"odd", 10**30)
VARIANTS = 150


def places(plain, path=()):
    """The paths to all that a structure holds."""
    if path:
        yield path
    if isinstance(plain, dict):
        for key in plain:
            yield from places(plain[key], (*path, key))
    elif isinstance(plain, list | tuple):
        for number, value in enumerate(plain):
            yield from places(value, (*path, number))


def replaced(plain, path, odd):
    """A copy with something else, or nothing, at a place."""
    if not path:
        return odd
    first, *rest = path
    if isinstance(plain, dict):
        changed = dict(plain)
        if odd is ... and not rest:
            del changed[first]
            return changed
        changed[first] = replaced(plain[first], rest, odd)
        return changed
    changed = list(plain)
    if odd is ... and not rest:
        del changed[first]
    else:
        changed[first] = replaced(plain[first], rest, odd)
    return type(plain)(changed)


def variants(plain, count):
    """Structures in which one thing was replaced or left out, evenly over how deep it lies."""
    rng = Random(0)
    by_depth = {}
    for path in places(plain):
        by_depth.setdefault(len(path), []).append(path)
    for _ in range(count):
        path = rng.choice(by_depth[rng.choice(sorted(by_depth))])
        yield replaced(plain, path, rng.choice((*ODD, ...)))


def refused(read, plain, count=VARIANTS):
    """How many variants ``read`` refuses; all that it raises are ValueErrors in words."""
    messages = []
    for odd in variants(plain, count):
        try:
            read(copy.deepcopy(odd))
        except ValueError as error:
            messages.append(str(error))
    assert all(messages)
    return len(messages)


LOG = {
    "recepie": json.dumps(
        {
            "0": {"op": "linear", "input": ["x"]},
            "h_new_0": {"op": "activation_tanh", "input": ["0"]},
        }
    ),
    "data": "data/wikitext-2",
    "epochs": 3,
    "num_params": 10,
    "val_losses": [3.0, 2.0, 1.0],
    "test_losses": [3.0, 2.0, 1.0],
    "train_losses": [3.0, 2.0, 1.0],
    "wall_times": [1.0, 1.0, 1.0],
}


def test_language_models():
    def read(log):
        return nlp._log(json.dumps(log, default=str).encode())

    assert read(LOG).seconds.tolist() == [1, 2, 3]
    assert refused(read, LOG) > VARIANTS / 4
    recipe = json.loads(LOG["recepie"])
    assert refused(lambda odd: read({**LOG, "recepie": json.dumps(odd, default=str)}), recipe)


def test_macro():
    networks = {
        "".join(key): {"test_acc": [1.0, 2.0, 3.0], "params": 1, "flops": 2}
        for key in product("012", repeat=8)
    }

    def read(odd):
        return macro._rows(foreign.typed({**networks, **odd}, dict[str, macro._Network], "it"))

    some = {key: networks[key] for key in list(networks)[:2]}
    assert len(read(some).spelling) == 6561
    assert refused(lambda odd: read(foreign.typed(odd, dict, "it")), some, 15) > 3


def speech(path, files):
    paths = []
    for number, (header, rows) in enumerate(files):
        paths.append(path / f"nb-asr-e2-{number}.pickle")
        paths[-1].write_bytes(pickle.dumps(header) + pickle.dumps(rows))
    return list(asr.read(paths, None, lambda part: None))


def test_speech(tmp_path):
    ops = ["linear", "conv5"]
    points = [[[a, b]] for a, b in product(range(2), range(2))]
    header = {
        "dataset_type": "training",
        "seed": 1,
        "epochs": 2,
        "columns": ["hash", "val", "test", "point"],
        "search_space": {"ops": ops, "nodes": 1},
    }
    trained = [header, [[f"h{n}", [0.5, 0.4], 0.3, point] for n, point in enumerate(points)]]
    static = [
        {"dataset_type": "static", "columns": ["hash", "params", "flops"]},
        [[f"h{n}", 10 + n, 20] for n in range(4)],
    ]
    bench = [
        {"dataset_type": "benchmarking", "device": "pi", "columns": ["hash", "latency"]},
        [[f"h{n}", 0.5] for n in range(4)],
    ]
    whole = [trained, static, bench]
    (found,) = speech(tmp_path, whole)
    assert {"validation", "test", "params", "flops", "latency-pi"} <= set(found.table.columns)

    def read(odd):
        if not all(isinstance(file, list) and len(file) == 2 for file in odd):
            raise ValueError("not two pickles a file")
        return speech(tmp_path, odd)

    assert refused(read, whole) > VARIANTS / 3


def test_vision_tasks(monkeypatch, tmp_path):
    micro = [f"64-41414-{a}_{b}{c}_{d}00" for a, b, c, d in product(range(2), repeat=4)]
    content = {
        "metrics_dict": {"jigsaw": ["valid_top1", "test_top1", "time_elapsed"]},
        "task_list": ["jigsaw"],
        "data": {
            "micro": {
                text: {
                    "jigsaw": {
                        "model_info": {"inference_time": 0.5, "model_params": 3},
                        "metrics": {
                            "valid_top1": [1.0, 2.0],
                            "test_top1": [1.0, 2.0],
                            "time_elapsed": [1.0, 2.0],
                        },
                    }
                }
                for text in micro
            }
        },
    }

    def read(odd):
        @contextmanager
        def opened(*_):
            yield type("Reader", (), {"load": lambda self: odd})()

        monkeypatch.setattr(transnas, "torch_file", opened)
        return list(transnas.read([tmp_path / "it.pth"], None, lambda part: None))

    (found,) = read(content)
    assert found.table.epochs == (1, 2)
    assert refused(read, content) > VARIANTS / 3


def test_graphs():
    def network(latency):
        curve = [[0.1, 0.2, 0.3, 1.0], [0.2, 0.3, 0.4, 1.0]]
        return {"dur": curve, "latency": latency, "para": 2}

    plain = {"12": network(0.1), 13: network(0.2)}

    def read(odd):
        whole = copy.deepcopy(odd)
        for one in whole.values() if isinstance(whole, dict) else ():
            if isinstance(one, dict):
                graph._take(one)
        networks = graph._networks(whole)
        return graph._arrays(networks, {key: row for row, key in enumerate(sorted(networks))})

    assert read(plain)["validation"].shape == (2, 2)
    assert refused(read, plain) > VARIANTS / 4


def test_trainings():
    series = {epoch: 10.0 * epoch for epoch in range(3)}
    training = {
        "name": "cifar100",
        "seed": 777,
        "epochs": 3,
        "train_acc1es": series,
        "train_times": series,
        "eval_acc1es": {f"{part}@{e}": 1.0 for part in ("x-valid", "x-test") for e in range(3)},
        "eval_times": {"x-valid@2": 0.5},
        "latency": [0.1, 0.2],
        "flop": 3.0,
        "params": 4.0,
    }
    cell = {"12": {"arch_str": "a cell", "all_results": {("cifar100", 777): training}}}

    def read(odd):
        collector = Collector(1, lambda text: 0)
        kinds = odd.values() if isinstance(odd, dict) else ()
        results = [k["all_results"] for k in kinds if isinstance(k, dict) and "all_results" in k]
        for one in (r for found in results if isinstance(found, dict) for r in found.values()):
            if isinstance(one, dict):
                collector.take(one)
        collector.cell(odd)
        return collector

    assert read(copy.deepcopy(cell)).seeds("12", "cifar100") == [777]
    assert refused(read, cell) > VARIANTS / 3


def test_hardware(tmp_path, monkeypatch):
    cells = [f"|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|" for op in ("none", "skip_connect")]
    names = ("cifar10", "cifar100", "ImageNet16-120")
    one = {"config": [{"arch_str": cell} for cell in cells], "edgegpu_latency": [1.0, 2.0]}
    whole = {"nasbench201": dict.fromkeys(names, one)}
    gathered = []
    monkeypatch.setattr(hardware, "gather", lambda path, rows, whole: gathered.append(list(rows)))
    monkeypatch.setattr(hardware, "_imported", lambda *_: None)
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"

    def read(odd):
        path.write_bytes(pickle.dumps(odd))
        return list(hardware.read([path], None, lambda part: None))

    read(whole)
    assert [len(rows) for rows in gathered] == [2, 2, 2]
    assert refused(read, whole) > VARIANTS / 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net_str,a\n|none~0|+|none~0|none~1|,1,2\n", "line 2: expected 2 values"),
        ("net_str,a\n|none~0|\n", "line 2: expected 2 values"),
        ("net_str,a\n|none~0|,x\n", "expected proxies of NAS-Bench-201's cells"),
        ("a,b\n1,2\n", "expected a column 'net_str'"),
        ("", "expected a column 'net_str'"),
    ],
)
def test_rows_of_other_lengths(tmp_path, text, message):
    path = tmp_path / "proxies_cifar10.csv"
    path.write_text(text)
    with pytest.raises(BadFile, match=message):
        list(zero_cost.read([path], None, lambda part: None))


def test_a_fault_of_what_takes_dictionaries_is_no_damage(tmp_path):
    """The unpickler calls our own code while it reads: what that raises comes out as itself."""
    path = tmp_path / "it.pickle"
    path.write_bytes(pickle.dumps({"a": 1}))

    def faulty(filled):
        return filled.nothing

    with path.open("rb") as file, pytest.raises(AttributeError, match="nothing"):
        stream.Unpickler(file, "it", faulty).load()
    with path.open("rb") as file, pytest.raises(KeyError):
        stream.Unpickler(file, "it", lambda filled: filled["b"]).load()
    path.write_bytes(b"\x80\x04" + b"s.")
    with path.open("rb") as file, pytest.raises(BadFile, match="expected a pickle"):
        stream.Unpickler(file, "it", faulty).load()


def test_numbers_have_a_shape():
    assert foreign.numbers([[1, 2], [3, 4]], "it", (2, None)).tolist() == [[1, 2], [3, 4]]
    assert np.isnan(foreign.numbers(["nan"], "it", (1,)))
    for values, shape in (([1, [2]], (2,)), (["x"], (1,)), ([1], (2,)), ({}, (None,)), ([1], ())):
        with pytest.raises(BadFile, match="it: expected"):
            foreign.numbers(values, "it", shape)
