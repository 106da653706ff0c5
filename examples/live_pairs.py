"""Translation from two files whose lines belong together, judged by perplexity.

    export SOURCE=train.en.gz TARGET=train.de.gz
    nasarena run --tasks examples/live_pairs.py:BENCHMARK/small --strategies random,asha \\
        --queries 6 --seeds 1 --out results/pairs
    nasarena retrain results/pairs --task examples/live_pairs.py:BENCHMARK/small --strategy random

``small`` takes some minutes on two CPU cores; ``large`` is for a GPU. Plain text or ``.gz``, UTF-8.
Pairs in one TSV file: `LiveSetup("tsv:pairs.tsv")`.
"""

import os
from dataclasses import replace

from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

SOURCE, TARGET = (os.environ.get(name, f"{name.lower()}.txt") for name in ("SOURCE", "TARGET"))
SMALL = Training(
    epochs=(1, 3),
    metric="perplexity",
    batch=32,
    optimizer="adam",
    learning_rate=2e-3,
    weight_decay=1e-2,
    examples=3000,
    measured=300,
    vocabulary=2000,
    longest=24,
)
LARGE = replace(SMALL, epochs=(3, 9, 27), examples=None, measured=None, vocabulary=8000, longest=64)
BENCHMARK = LiveBenchmark(
    {
        "small": LiveSetup(f"lines:{SOURCE},{TARGET}", training=SMALL),
        "large": LiveSetup(f"lines:{SOURCE},{TARGET}", training=LARGE),
    }
)
