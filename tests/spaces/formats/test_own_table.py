"""One's own table: from rows of text to arrays, and every way in which it may not fit."""

import gzip
import itertools

import numpy as np
import pytest

from nasarena.spaces.formats import description, own
from nasarena.spaces.table import BadFile

OPS = ("none", "conv1", "conv3")
WIDTHS = (8, 16, 128)
HEADER = "op,width,seed,epoch,val_acc,test_acc,seconds,latency"
DESCRIBE = """
name = "mine"
dataset = "digits"
decisions = ["op", "width"]
epochs = "epoch"
replica = "seed"
validation = {column = "val_acc", direction = "maximize", unit = "%"}
test = {column = "test_acc", direction = "maximize", unit = "%"}
cost = {column = "seconds"}
more.latency = {column = "latency", direction = "minimize", unit = "ms", proxy = true}
choices.op = ["none", "conv1", "conv3"]
"""


def value(op, width, seed, epoch):
    """Validation accuracy: a number that tells which row it came from."""
    return OPS.index(op) * 10 + WIDTHS.index(width) + seed / 10 + epoch / 100


def rows(skip=()):
    for op, width, seed, epoch in itertools.product(OPS, WIDTHS, (0, 1), (1, 5)):
        if (op, width) not in skip:
            found = value(op, width, seed, epoch)
            yield f"{op},{width},{seed},{epoch},{found},{found - 1},{epoch * width},{width / 4}"


def imported(tmp_path, lines, describe=DESCRIBE, header=HEADER, name="mine.csv"):
    table, text = tmp_path / name, tmp_path / "mine.toml"
    table.write_text("\n".join([header, *lines]) + "\n")
    text.write_text(describe)
    (found,) = own.read([table], text, lambda part: None)
    return found


def test_every_value_is_in_its_place(tmp_path):
    lines = list(rows())
    found = imported(tmp_path, reversed(lines))
    table = found.table
    assert (found.benchmark, found.dataset) == ("mine", "digits")
    assert table.epochs == (1, 5)
    assert table.columns["validation"].shape == (9, 2, 2)
    assert found.space == {
        "name": "mine",
        "decisions": [("op", list(OPS)), ("width", ["8", "16", "128"])],
        "pool": False,
    }
    for (o, op), (w, width) in itertools.product(enumerate(OPS), enumerate(WIDTHS)):
        row = table.row_of[o * 3 + w]
        for (s, seed), (e, epoch) in itertools.product(enumerate((0, 1)), enumerate((1, 5))):
            assert table.columns["validation"][row, e, s] == value(op, width, seed, epoch)
            assert table.columns["test"][row, e, s] == value(op, width, seed, epoch) - 1
            assert table.columns["seconds"][row, e, s] == epoch * width
    columns = {column.name: column for column in found.columns}
    assert set(columns) == {"validation", "test", "seconds", "latency"}
    assert columns["validation"].maximize
    assert not columns["seconds"].maximize
    assert columns["latency"].proxy
    assert columns["latency"].unit == "ms"


def test_parquet_holds_the_same(tmp_path):
    import pandas as pd

    from_csv = imported(tmp_path, rows())
    pd.read_csv(tmp_path / "mine.csv").to_parquet(tmp_path / "mine.parquet")
    (found,) = own.read([tmp_path / "mine.parquet"], tmp_path / "mine.toml", lambda part: None)
    assert found.space == from_csv.space
    for name, values in from_csv.table.columns.items():
        np.testing.assert_array_equal(found.table.columns[name], values)


def test_compressed_csv(tmp_path):
    plain = imported(tmp_path, rows())
    packed = tmp_path / "mine.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "mine.csv").read_bytes()))
    (found,) = own.read([packed], tmp_path / "mine.toml", lambda part: None)
    np.testing.assert_array_equal(
        found.table.columns["validation"], plain.table.columns["validation"]
    )
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(BadFile, match=r"mine\.csv\.gz: expected a CSV"):
        next(own.read([packed], tmp_path / "mine.toml", lambda part: None))


def test_a_partial_table_is_a_pool(tmp_path):
    found = imported(tmp_path, rows(skip=[("conv1", 16), ("none", 8)]))
    assert found.space["pool"]
    members = found.table.extra["members"].tolist()
    assert len(members) == 7
    assert [1, 1] not in members
    assert members == sorted(members)
    last = found.table.columns["validation"][members.index([2, 1])]
    assert last[1, 0] == value("conv3", 16, 0, 5)


def test_a_whole_table_may_be_asked_to_be_a_pool(tmp_path):
    found = imported(tmp_path, rows(), "pool = true" + DESCRIBE)
    assert len(found.table.extra["members"]) == 9


def test_without_epochs_replica_and_cost(tmp_path):
    lines = [f"{op},{width},{i}" for i, (op, width) in enumerate(itertools.product(OPS, WIDTHS))]
    found = imported(
        tmp_path,
        lines,
        'name = "mine"\ndecisions = ["op", "width"]\nepochs = 20\n'
        'validation = {column = "loss", direction = "minimize"}',
        "op,width,loss",
    )
    assert found.table.epochs == (20,)
    assert found.table.columns["seconds"].tolist() == [[[20.0]]] * 9
    # Without `choices` names go by the alphabet and numbers by their size.
    assert found.space["decisions"][0][1] == ["conv1", "conv3", "none"]
    assert found.space["decisions"][1][1] == ["8", "16", "128"]


def test_a_failed_training_is_kept_as_one(tmp_path):
    lines = list(rows())
    place = lines.index("conv3,128,0,5,22.05,21.05,640,32.0")
    for text in ("nan", "", "inf"):
        lines[place] = f"conv3,128,0,5,{text},21.05,640,32.0"
        found = imported(tmp_path, lines)
        assert np.isnan(found.table.columns["validation"][8, 1, 0])
        assert found.table.columns["seconds"][8, 1, 0] == 640
        assert np.isnan(found.table.columns["validation"]).sum() == 1
    assert found.notes == () or "failed" in found.notes[0]


def test_incomplete_architectures_are_refused_or_dropped(tmp_path):
    lines = [line for line in rows() if not line.startswith(("conv1,16,0,5", "conv1,16,1,5"))]
    with pytest.raises(BadFile, match=r"1 architectures have no row at the last epochs.*op=conv1"):
        imported(tmp_path, lines)
    found = imported(tmp_path, lines, 'incomplete = "drop"' + DESCRIBE)
    assert found.table.rows == 8
    assert found.space["pool"]
    assert "1 architectures" in found.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, lines[3]], "rows 4 and 37 are of one architecture .op=none"),
        (lambda lines: [*lines, "conv5,8,0,1,1,1,1,1"], "row 37: op is 'conv5', which is not"),
        (lambda lines: [*lines[:-1], "conv3,128,1,5,good,1,1,1"], "row 36: val_acc: expected a"),
        (lambda lines: [*lines[:-1], "conv3,128,1,5,1,1,,1"], "row 36: seconds: expected a cost"),
        (lambda lines: [*lines[:-1], "conv3,128,1,5,1,1,-2,1"], "row 36: seconds: expected a cos"),
        (lambda lines: [*lines[:-1], "conv3,128,1,0.5,1,1,2,1"], "row 36: epoch: expected whole"),
        (lambda lines: [*lines[:-1], "conv3,128,1,0,1,1,2,1"], "row 36: epoch: expected whole"),
        (lambda lines: lines[:2], "all rows are of one architecture"),
        (lambda lines: [], "has no rows"),
        (lambda lines: ["a,b,c,d,e,f,g,h,i,j,k", *lines], "row 1|expected a CSV"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path, change, message):
    with pytest.raises(BadFile, match=message):
        imported(tmp_path, change(list(rows())))


def test_a_column_that_numbers_the_rows_is_no_replica(tmp_path):
    lines = [f"{i % 97},{i // 97},{i},1,1" for i in range(9000)]
    text = (
        'name = "mine"\ndecisions = ["a", "b"]\nreplica = "id"\n'
        'validation = {column = "v", direction = "maximize"}\ncost = "t"'
    )
    with pytest.raises(BadFile, match="hold what their names say"):
        imported(tmp_path, lines, text, "a,b,id,v,t")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', "", "the key 'name' is missing"),
        (', direction = "maximize"', "", "validation.direction: expected .* got nothing"),
        ("maximize", "up", "validation.direction: expected .* got 'up'"),
        ("replica", "replika", "unknown key 'replika'; did you mean 'replica'"),
        ('"val_acc"', '"val"', "there is no column 'val'; the columns are: op, width"),
        ('["op", "width"]', "[]", "decisions: expected one or more"),
        ('["op", "width"]', '["op", "op"]', "decisions: expected one or more different"),
        ('["op", "width"]', '["op", "val_acc"]', "'val_acc' is named twice"),
        ('{column = "seconds"}', '{column = "seconds", direction = "maximize"}', "cost is min"),
        ('epochs = "epoch"', "epochs = true", "epochs: expected a column's name or a number"),
        ('dataset = "digits"', "dataset = 3", "dataset: expected a string, got 3"),
        ("choices.op", "choices.ops", "unknown key of choices 'ops'"),
        ('name = "mine"', "name = ", "mine.toml: Invalid value"),
        ('dataset = "digits"', 'incomplete = "keep"', "incomplete: expected"),
    ],
)
def test_descriptions_that_do_not_fit_are_named(tmp_path, old, new, message):
    assert old in DESCRIBE
    with pytest.raises(BadFile, match=message):
        imported(tmp_path, rows(), DESCRIBE.replace(old, new, 1))


def test_another_file_under_the_name(tmp_path):
    for name in ("mine.parquet", "mine.csv.gz"):
        with pytest.raises(BadFile, match="expected a CSV, TSV or Parquet file"):
            imported(tmp_path, rows(), name=name)


def test_the_wizard_guesses_by_name(tmp_path):
    imported(tmp_path, rows())
    frame = own.read_frame(tmp_path / "mine.csv")
    text = description.to_toml(description.guess(frame, "mine"))
    (tmp_path / "guess.toml").write_text(text)
    made = description.load(tmp_path / "guess.toml")
    assert made.decisions == ("op", "width")
    assert (made.epochs, made.replica) == ("epoch", "seed")
    assert made.validation.source == "val_acc"
    assert made.validation.column.maximize
    assert made.test.source == "test_acc"
    assert made.cost.source == "seconds"
    assert [one.source for one in made.more] == ["latency"]
    (found,) = own.read([tmp_path / "mine.csv"], tmp_path / "guess.toml", lambda part: None)
    assert found.table.rows == 9


def test_the_wizard_knows_losses_and_numbering(tmp_path):
    import pandas as pd

    frame = pd.DataFrame(
        {
            "id": ["1", "2"],
            'odd "name"': ["a", "b"],
            "validation loss": ["0.5", "0.25"],
            "trainTime": ["3.5", "2.5"],
            "params": ["100", "200"],
        }
    )
    guessed = description.guess(frame, "mine")
    assert guessed["decisions"] == ['odd "name"']
    assert guessed["validation"] == {"column": "validation loss", "direction": "minimize"}
    assert guessed["cost"]["column"] == "trainTime"
    assert guessed["more"] == {"params": {"column": "params", "direction": "minimize"}}
    (tmp_path / "odd.toml").write_text(description.to_toml(guessed))
    assert description.load(tmp_path / "odd.toml").decisions == ('odd "name"',)
