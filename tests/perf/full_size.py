"""Writes a file of NAS-Bench-201's official form and full size, in little memory.

    python tests/perf/full_size.py FILE.pth

All 15,625 cells, 12 and 200 epochs of everything, two training seeds on each of four datasets: as
much as the official version 1.1 holds. One cell is made by the official package's own classes and
pickled; every other one is a copy of these bytes with its own numbers, cell string and memo.
"""

import io
import pickle
import pickletools
import struct
import sys
from pathlib import Path

import numpy as np
from nas_201_api import api_utils

from nasarena.spaces.published.nasbench201 import SPACE

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import official

SEEDS = (777, 888)
PLACEHOLDER = "the cell string, a text that occurs once in the bytes"


def one_cell():
    """Both kinds of training of one cell, as the official package saves them."""
    kinds = {}
    for kind, epochs in (("less", 12), ("full", 200)):
        trials = [
            official.trial(
                api_utils.ResultsCount, dataset, seed, PLACEHOLDER, 90.5, 300.25, 0.02, 1.5, epochs
            )
            for dataset in official.SETS
            for seed in SEEDS
        ]
        kinds[kind] = official.arch_results(api_utils, 0, PLACEHOLDER, trials)
    return kinds


def template():
    """(bytes of a cell, places of its memo numbers, of its floats, memo entries it makes)."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=2)
    # With 256 entries in the memo, every further number takes four bytes.
    warm = [[] for _ in range(300)]
    pickler.dump(warm)
    start = buffer.tell()
    pickler.dump(one_cell())
    body = buffer.getvalue()[start + 2 : -1]  # without PROTO and STOP
    memo, floats = [], []
    for code, _, place in pickletools.genops(b"\x80\x02" + body + b"."):
        if code.name in ("LONG_BINPUT", "LONG_BINGET"):
            memo.append(place - 1)
        elif code.name == "BINFLOAT":
            floats.append(place - 1)
    data = np.frombuffer(body, np.uint8).copy()
    numbers = _read(data, memo)
    return data, np.array(memo), np.array(floats), numbers - numbers.min(), int(np.ptp(numbers)) + 1


def _read(data, places):
    return sum(data[np.array(places) + k].astype(np.int64) << (8 * k) for k in range(4))


def write(path, cells=15_625):
    """Write the file in the old format of torch.save."""
    data, memo, floats, numbers, entries = template()
    text = struct.pack("<I", len(PLACEHOLDER)) + PLACEHOLDER.encode()
    values = np.stack([data[floats + k] for k in range(8)], axis=1).copy().view(">f8")[:, 0]
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            file.write(pickle.dumps(head, 2))
        names = [SPACE.describe(SPACE.arch(number)) for number in range(cells)]
        file.write(b"\x80\x02}(")  # a dictionary
        file.write(_part("meta_archs") + _part(names))
        file.write(_part("evaluated_indexes") + _part(list(range(cells))))
        file.write(_part("arch2infos") + b"}(")
        for number, name in enumerate(names):
            for k in range(4):
                shifted = (numbers + number * entries) >> (8 * k)
                data[memo + k] = (shifted & 255).astype(np.uint8)
            own = (values * rng.uniform(0.9, 1.0, len(values))).astype(">f8")
            for k, byte in enumerate(own.view(np.uint8).reshape(-1, 8).T):
                data[floats + k] = byte
            spelled = struct.pack("<I", len(name)) + name.encode()
            file.write(b"M" + struct.pack("<H", number))
            file.write(data.tobytes().replace(text, spelled))
            if number % 1000 == 999:
                file.write(b"u(")
        file.write(b"uu.")
        file.write(pickle.dumps([], 2))


def _part(value):
    """A value as part of a pickle that takes no memo entries."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=2)
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()[2:-1]


if __name__ == "__main__":
    write(*sys.argv[1:2], *map(int, sys.argv[2:]))
