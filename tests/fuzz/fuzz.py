"""Feeds the readers of files with what atheris makes of their corpus, until something breaks.

::

    python tests/fuzz/fuzz.py                      every reader, 5 seconds each
    python tests/fuzz/fuzz.py --seconds 60 ioh coco
    python tests/fuzz/fuzz.py --replay FILE ioh    one file again, with its traceback

Found is what raises anything but the documented errors, takes longer than `SLOW` seconds or more
than `MEGABYTES` of memory. The bytes that did it are left in ``--out``, one file for each place in
the code. Exits with 1 if there were any, and says how many executions there were.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for `readers`; under tox a script's folder is not looked in
CORPUS = HERE / "corpus"
SLOW, MEGABYTES, LONGEST = 30, 2048, 1 << 14
ARROW = "terminate called after throwing an instance of 'parquet::ParquetException'"
"""What Arrow says when it ends the process over a damaged footer; see SECURITY.md, limits."""

_INSTRUMENTED = ("nasarena.bench", "nasarena.spaces", "nasarena.reports", "tomllib", "json")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("readers", nargs="*", help="which; all if none is named")
    parser.add_argument("--seconds", type=int, default=5, help="for each reader")
    parser.add_argument("--out", type=Path, help="where files that break a reader are left")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer's random numbers")
    parser.add_argument("--grown", type=Path, help="a folder to keep what covers new code in")
    parser.add_argument("--replay", type=Path, help="read this file once instead")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given, further = parser.parse_known_args()
    if given.child:
        _fuzz(given.readers[0], given.out, [*given.readers[1:], *further])
    names = given.readers or sorted(path.name for path in CORPUS.iterdir())
    if given.replay:
        once(names[0], given.replay.read_bytes())
        return 0
    out = given.out or Path(tempfile.mkdtemp(prefix="nasarena-fuzz-"))
    out.mkdir(parents=True, exist_ok=True)
    broken = [name for name in names if not _one(name, given, out)]
    if broken:
        print(f"broken: {', '.join(broken)}; the files that did it are in {out}")
    return 1 if broken else 0


def _one(name: str, given: argparse.Namespace, out: Path) -> bool:
    """Fuzz a reader in a process of its own; whether it withstood."""
    with tempfile.TemporaryDirectory() as grown:
        kept = grown if given.grown is None else given.grown / name
        os.makedirs(kept, exist_ok=True)
        command = [
            *(sys.executable, __file__, "--child", "--out", out, name, kept, CORPUS / name),
            *(f"-artifact_prefix={out / name}-", f"-max_total_time={given.seconds}"),
            *(f"-timeout={SLOW}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}"),
            *(f"-seed={given.seed}", "-print_final_stats=1"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    count = re.search(r"number_of_executed_units: +(\d+)", done.stderr)
    covered = re.findall(r"\bcov: (\d+)", done.stderr)
    found = sorted(path.name for path in out.glob(f"{name}-[!-]*") if _of(name, path))
    arrow = [each for each in found if _ends_arrow(name, out / each)]
    found = [each for each in found if each not in arrow]
    broken = bool(found) or bool(done.returncode and not arrow)
    print(
        f"{name:15} {'BROKEN' if broken else 'held until Arrow ended it' if arrow else 'held'} "
        f"{int(count[1]) if count else 0:>9,} executions, {covered[-1] if covered else 0} branches",
        *(f"\n    {each}" for each in found),
        flush=True,
    )
    if broken and not found:
        print("\n".join((done.stdout + done.stderr).splitlines()[-20:]))
    return not broken


def _ends_arrow(name: str, path: Path) -> bool:
    """Whether a file makes Arrow end the process; seen from outside, without the fuzzer."""
    command = [sys.executable, __file__, "--replay", path, name]
    return ARROW in subprocess.run(command, capture_output=True, text=True).stderr


def _of(name: str, path: Path) -> bool:
    """Whether a file was left by the reader ``name``, and not by one whose name begins so."""
    longer = (other.name for other in CORPUS.iterdir() if other.name.startswith(f"{name}-"))
    return not any(path.name.startswith(f"{other}-") for other in longer)


def _fuzz(name: str, out: Path, options: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=list(_INSTRUMENTED), enable_loader_override=False):
        import readers

    def test(data: bytes) -> None:
        try:
            _read(readers, name, data)
        except Exception as error:
            # One file for each place in the code: the fuzzer goes on and finds the others.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}"
            path = out / f"{name}-{where}"
            if not path.exists() or path.stat().st_size > len(data):
                path.write_bytes(data)

    atheris.Setup([sys.argv[0], *options], test)
    atheris.Fuzz()


def once(name: str, data: bytes) -> object:
    """Read ``data`` once.

    Raises:
        Exception: whatever the reader raises that is not among the expected ones.
    """
    import readers

    return _read(readers, name, data)


def _read(readers: object, name: str, data: bytes) -> object:
    with _folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return readers.READERS[name](folder, data)
        except readers.EXPECTED:
            return None


@contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder, in memory where that can be had."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
