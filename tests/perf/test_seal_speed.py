"""What it costs that every byte of a unit's file is verified, as ratios within one run."""

from statistics import median
from time import process_time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nasarena.bench.store import store, unit_file

ROWS, QUERIES = 200_000, 200
SOME = ["seed", "step", "loss", "network"]


def record(rows):
    """Rows as a run on NAS-Bench-201 leaves them, as far as compression is concerned."""
    rng = np.random.default_rng(0)
    known = rng.random(15_625)
    network = rng.integers(0, len(known), rows)
    columns = {
        "seed": np.repeat(np.arange(rows // QUERIES, dtype=np.int32), QUERIES),
        "step": np.tile(np.arange(QUERIES, dtype=np.int32), rows // QUERIES),
        "arch": pa.ListArray.from_arrays(
            np.arange(rows + 1, dtype=np.int32) * 6, rng.integers(0, 5, 6 * rows).astype(np.int16)
        ),
        "network": network,
        "epochs": np.full(rows, 200, np.int32),
        "replica": rng.integers(0, 3, rows).astype(np.int16),
    }
    for name in ("loss", "validation", "test", "charged", "start", "finish"):
        columns[name] = known[network]
    return pa.table(columns | {"thinking": rng.random(rows)})


def plain(path, columns=None):
    """As pyarrow reads it, with page checksums, which cover neither headers nor footer."""
    with pq.ParquetFile(path, page_checksum_verification=True, memory_map=True) as file:
        return file.read(columns=columns, use_threads=False)


def seconds(call):
    begin = process_time()
    call()
    return process_time() - begin


@pytest.mark.parametrize("rows", [10_000, ROWS])
def test_reading_what_is_sealed(benchmark, capsys, tmp_path, rows):
    path = tmp_path / "0.parquet"
    unit_file.write(path, record(rows))

    def ratio(ours, theirs):
        return median(seconds(ours) / seconds(theirs) for _ in range(31))

    whole = ratio(lambda: store.read_unit(path), lambda: plain(path))
    some = ratio(lambda: store.read_unit(path, SOME), lambda: plain(path, SOME))
    took = median(seconds(lambda: store.damage(path)) for _ in range(31))
    benchmark(store.read_unit, path)
    size = path.stat().st_size
    with capsys.disabled():
        print(
            f"\n  {rows:,} rows: all columns {whole:.2f}, four columns {some:.2f} times the time "
            f"of pyarrow with page checksums; verified at {size / took / 2**30:.1f} GiB/s"
        )
