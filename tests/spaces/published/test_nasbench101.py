"""NAS-Bench-101: its space against 20,001 published hashes, its file against Protocol Buffers."""

import csv
import gzip
import json
import struct
from base64 import b64encode
from itertools import permutations
from pathlib import Path
from random import Random

import numpy as np
import pytest

from nasarena.spaces.formats import nasbench101 as reader
from nasarena.spaces.published.nasbench101 import (
    EDGES,
    OPERATIONS,
    SPACE,
    Cell,
    module_hash,
    prune,
    spell,
)
from nasarena.spaces.table import BadFile

SAMPLE = Path(__file__).parents[4] / "shared/data/nasbench101_20001_cells.csv.gz"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason=f"{SAMPLE} is not there")


def sample(count=None):
    """(published hash, cell, row) of the shared sample of real cells."""
    with gzip.open(SAMPLE, "rt") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if number == count:
                return
            edges = frozenset(tuple(map(int, e.split("-"))) for e in row["edges"].split(";"))
            yield row["key"], Cell(tuple(map(int, row["ops"])), edges), row


def arch_of(edges, operations=(0, 0, 0, 0, 0)):
    return (*(int(edge in edges) for edge in EDGES), *operations)


@needs_sample
def test_hashes_are_the_published_ones():
    for key, cell, _ in sample(4000):
        arch = spell(cell)
        assert module_hash(arch) == key
        assert SPACE.is_valid(arch)
        assert prune(arch) == cell


@needs_sample
def test_canonical_is_one_for_isomorphic_cells_and_different_for_others():
    rng = Random(0)
    seen = {}
    for key, cell, _ in sample(300):
        count = len(cell.operations)
        orders = list(permutations(range(1, count + 1)))
        found = set()
        for order in rng.sample(orders, min(len(orders), 20)):
            place = (0, *order, count + 1)
            moved = frozenset((place[a], place[b]) for a, b in cell.edges)
            if all(a < b for a, b in moved):
                operations = [cell.operations[order.index(v)] for v in range(1, count + 1)]
                arch = spell(Cell(tuple(operations), moved))
                assert module_hash(arch) == key
                found.add(SPACE.canonical(arch))
        found.add(SPACE.canonical(spell(cell)))
        assert len(found) == 1
        (one,) = found
        assert SPACE.canonical(one) == one
        assert seen.setdefault(one, key) == key
    assert len(seen) == 300


def test_idle_vertices_do_not_count():
    plain = arch_of({(0, 6)})
    assert prune(plain) == Cell((), frozenset({(0, 1)}))
    idle = arch_of({(0, 6), (0, 1), (2, 6), (3, 4)}, (2, 1, 2, 1, 2))
    assert prune(idle) == prune(plain)
    assert SPACE.canonical(idle) == SPACE.canonical(plain) == SPACE.simplest()
    assert module_hash(idle) == module_hash(plain)


def test_invalid_graphs():
    assert not SPACE.is_valid(arch_of(set()))
    assert not SPACE.is_valid(arch_of({(0, 1), (2, 6)}))
    ten = {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6), (0, 6)}
    assert not SPACE.is_valid(arch_of(ten))
    assert SPACE.is_valid(arch_of(ten - {(0, 6)}))
    # A tenth edge that leads nowhere does not count.
    assert SPACE.is_valid(arch_of((ten - {(0, 6), (5, 6), (4, 5)}) | {(3, 6), (0, 5)}))
    with pytest.raises(ValueError, match="no way leads"):
        module_hash(arch_of(set()))
    rng = Random(0)
    for _ in range(200):
        arch = SPACE.sample(rng)
        assert SPACE.is_valid(arch)
        assert SPACE.is_valid(SPACE.mutate(arch, rng))
        assert SPACE.arch(SPACE.index(arch)) == arch
        assert all(map(SPACE.is_valid, SPACE.neighbours(arch)))


def test_hash_and_canonical_form_tell_the_same_cells_apart():
    """On all cells of up to four vertices."""
    hashes, forms, spelled = set(), set(), set()
    for count in range(3):
        pairs = [(a, b) for b in range(count + 2) for a in range(b)]
        for bits in range(2 ** len(pairs)):
            edges = frozenset(pair for n, pair in enumerate(pairs) if bits >> n & 1)
            for code in range(3**count):
                cell = Cell(tuple(code // 3**i % 3 for i in range(count)), edges)
                if prune(spell(cell)) == cell:
                    hashes.add(module_hash(spell(cell)))
                    forms.add(SPACE.canonical(spell(cell)))
                    spelled.add(cell)
    assert len(hashes) == len(forms) < len(spelled)
    # Two vertices: one cell. Three: three operations, with or without a shortcut. Four: of the 64
    # matrices some join the inner vertices (x 9 operations) and one leaves them apart (x 6 pairs),
    # each with or without a shortcut.
    joined = sum(
        1
        for cell in spelled
        if len(cell.operations) == 2 and (1, 2) in cell.edges and (0, 3) not in cell.edges
    )
    assert len(hashes) == 1 + 3 * 2 + 2 * (joined + 6)


def test_graph_and_paths():
    arch = arch_of({(0, 1), (1, 2), (2, 6), (1, 6), (0, 6)}, (0, 2, 0, 0, 0))
    labels, edges = SPACE.graph(arch)
    assert labels == ("input", OPERATIONS[0], OPERATIONS[2], "output")
    assert edges == ((0, 1), (0, 3), (1, 2), (1, 3), (2, 3))
    names = SPACE.path_names
    assert len(names) == 364
    on = {names[i] for i in np.flatnonzero(SPACE.path_encoding(arch))}
    assert on == {(), (OPERATIONS[0],), (OPERATIONS[0], OPERATIONS[2])}
    assert SPACE.describe(arch) == "1:conv3x3-bn-relu(0) 2:maxpool3x3(1) out(0,1,2)"


# The file.


def message_class():
    """The official message, from its published definition, by Google's own package."""
    descriptor = pytest.importorskip("google.protobuf.descriptor_pb2")
    pool = pytest.importorskip("google.protobuf.descriptor_pool")
    factory = pytest.importorskip("google.protobuf.message_factory")
    file = descriptor.FileDescriptorProto(name="m.proto", package="nasbench", syntax="proto2")
    field = descriptor.FieldDescriptorProto
    data = file.message_type.add(name="EvaluationData")
    names = ("current_epoch", "training_time", "train_accuracy", "validation_accuracy")
    for number, name in enumerate((*names, "test_accuracy"), 1):
        data.field.add(name=name, number=number, label=1, type=field.TYPE_DOUBLE)
    data.field.add(name="checkpoint_path", number=6, label=1, type=field.TYPE_STRING)
    metrics = file.message_type.add(name="ModelMetrics")
    metrics.field.add(
        name="evaluation_data", number=1, label=3, type=11, type_name=".nasbench.EvaluationData"
    )
    metrics.field.add(name="trainable_parameters", number=2, label=1, type=field.TYPE_INT32)
    metrics.field.add(name="total_time", number=3, label=1, type=field.TYPE_DOUBLE)
    known = pool.DescriptorPool()
    known.Add(file)
    return factory.GetMessageClass(known.FindMessageTypeByName("nasbench.ModelMetrics"))


def accuracy(row, epochs, repeat):
    """The first repeat is the real one."""
    return float(row[f"val{epochs}"]) + repeat / 1024


def record(message, key, cell, row, epochs, repeat):
    made = message(trainable_parameters=int(row["params"]), total_time=1.5)
    seconds = float(row["time"]) * epochs / 108
    for part in (0.0, 0.5, 1.0):
        value = accuracy(row, epochs, repeat) * part
        made.evaluation_data.add(
            current_epoch=epochs * part,
            training_time=seconds * part,
            train_accuracy=value + 0.01,
            validation_accuracy=value,
            test_accuracy=value - 0.01,
            checkpoint_path="/some/where",
        )
    count = len(cell.operations) + 2
    matrix = "".join(str(int((a, b) in cell.edges)) for a in range(count) for b in range(count))
    names = ",".join(["input", *(OPERATIONS[op] for op in cell.operations), "output"])
    raw = b64encode(made.SerializeToString()).decode()
    return json.dumps([key, epochs, matrix, names, raw]).encode()


def framed(data):
    head = struct.pack("<Q", len(data))
    crc = struct.pack("<I", reader.masked_crc(head))
    return head + crc + data + struct.pack("<I", reader.masked_crc(data))


COUNT = 60


@pytest.fixture(scope="module")
def parts():
    message = message_class()
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE} is not there")
    found = [
        record(message, key, cell, row, epochs, repeat)
        for key, cell, row in sample(COUNT)
        for epochs in (108, 4, 12, 36)
        for repeat in range(3)
    ]
    Random(1).shuffle(found)
    return found


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "CELLS", COUNT)

    def written(parts):
        path = tmp_path / "nasbench_full.tfrecord"
        path.write_bytes(b"".join(map(framed, parts)))
        return path

    return written


def read(path):
    (found,) = reader.read([path], None, lambda part: None)
    return found


def test_the_checksum():
    """The check value of CRC-32C in its catalogue, and the mask of TFRecord files on top."""
    crc = 0xE3069283
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert reader.masked_crc(b"123456789") == masked


def test_every_number_is_in_its_place(parts, write):
    found = read(write(parts))
    table = SPACE.complete(found.table)
    assert (table.epochs, table.replicas, table.rows) == ((4, 12, 36, 108), 3, COUNT)
    for _, cell, row in sample(COUNT):
        number = table.row_of[SPACE.index(spell(cell))]
        assert number >= 0
        assert table.columns["parameters"][number, 0, 0] == int(row["params"])
        for place, epochs in enumerate(table.epochs):
            expected = sorted(accuracy(row, epochs, repeat) for repeat in range(3))
            assert sorted(table.columns["validation"][number, place]) == expected
            assert sorted(table.columns["test"][number, place]) == [e - 0.01 for e in expected]
            seconds = float(row["time"]) * epochs / 108
            assert table.columns["seconds"][number, place].tolist() == [seconds] * 3


def test_as_a_task(parts, write):
    from nasarena.bench.core.runner import Budget, run_seed
    from nasarena.bench.core.types import Query
    from nasarena.bench.experiment import registry
    from nasarena.studies import data

    path = write(parts)
    assert data.import_files("nasbench101", [path]).tasks == ["nasbench101/cifar10"]
    task = registry.task("nasbench101/cifar10")
    best = max(float(row["val108"]) for _, _, row in sample(COUNT)) + 1 / 1024
    assert task.optimum["validation"] == pytest.approx(-best)
    facts = task.facts()
    assert (facts.architectures, facts.unique) == (COUNT, COUNT)
    # Any spelling of a cell is answered by its row; a cell that is not there is refused.
    _, cell, row = next(sample(1))
    arch = spell(cell)
    assert task.problem.proxies["parameters"](arch) == int(row["params"])
    assert task.table.canonical[[SPACE.index(arch)] * 2].tolist() == [SPACE.index(arch)] * 2
    oracle = task.oracle(Random(0))
    first = oracle.evaluate(Query(arch, 4))
    second = oracle.evaluate(Query(arch, 108))
    # 108 epochs are another training, not the same one continued.
    assert second.cost == second.observation.seconds > first.cost
    assert second.epochs == 108
    # Its landscape: 60 networks, few of which neighbour each other.
    from nasarena.studies.landscape import terrain

    found = terrain(task)
    np.testing.assert_array_equal(np.sort(found["losses"]), np.sort(task.truth("validation")))
    assert found["archs"].shape == (COUNT, 26)
    for network in range(5):
        near = found["neighbours"](network)
        assert network not in near
        assert set(near) <= set(range(COUNT))
    known = [spell(cell) for _, cell, _ in sample(COUNT)]

    from nasarena.bench import strategy

    @strategy()
    def walk(problem, rng):
        for one in known:  # noqa: UP028, an iterator cannot be sent anything
            yield one

    record = run_seed(task, walk, {}, 0, Budget(queries=20))
    assert len(record) == 20


@pytest.mark.parametrize("length", [5, 30, 1000, -3])
def test_a_truncated_file_is_named(parts, write, length):
    path = write(parts)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadFile, match=r"nasbench_full\.tfrecord"):
        read(path)


def test_missing_cells_are_counted(parts, write, monkeypatch):
    path = write(parts)
    monkeypatch.setattr(reader, "CELLS", 423_624)
    with pytest.raises(BadFile, match="expected 423,624 cells, got 60"):
        read(path)


def test_a_damaged_length_is_noticed(parts, write):
    path = write(parts)
    content = bytearray(path.read_bytes())
    content[1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadFile, match="record 1: expected a TFRecord file"):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: [r[0], 5, *r[2:]], "5 is not in|tuple.index"),
        (lambda r: ["0" * 32, *r[1:]], "does not have the hash"),
        (lambda r: r[:4], "array of length 5, got 4"),
        (lambda r: [*r[:4], "CAA="], "expected 3 evaluations"),
        (lambda r: [*r[:4], "no base64!"], "base64|Non-base64|Only base64|Incorrect padding"),
        (lambda r: [*r[:3], r[3].replace("input,", "input,conv5x5,"), r[4]], "operations and a"),
        (lambda r: {"cell": 1}, "expected one of NAS-Bench-101"),
    ],
)
def test_records_that_do_not_fit(parts, write, change, message):
    odd = json.dumps(change(json.loads(parts[7]))).encode()
    with pytest.raises(BadFile, match=message):
        read(write([odd, *parts]))


def test_a_fourth_repeat(parts, write):
    with pytest.raises(BadFile, match="more than 3 trainings"):
        read(write([*parts, parts[0]]))
