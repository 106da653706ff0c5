"""How long a command takes and how much memory, with all the processes that it starts."""

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

EVERY = 0.2


class Took(NamedTuple):
    """Real and processor seconds, and the most memory at a time in bytes.

    Memory that processes share is counted once (proportional set size, proc(5)).
    """

    seconds: float
    processor: float
    memory: int

    def __str__(self) -> str:
        memory = self.memory / 2**30
        return f"{self.seconds:.1f} s, {self.processor:.1f} s of CPU, {memory:.2f} GB at most"


def measure(words: Sequence[str], **options: object) -> Took:
    """Run a command and watch it (Linux only)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    most = 0
    with subprocess.Popen(words, **options) as process:
        while process.poll() is None:
            most = max(most, sum(map(_memory, _tree(process.pid))))
            time.sleep(EVERY)
    took = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(took, spent, most)


def _tree(root: int) -> list[int]:
    """A process and those below it."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents.setdefault(int(fields[1]), []).append(int(place.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    import sys

    print(measure(sys.argv[1:], stdout=subprocess.DEVNULL if os.environ.get("QUIET") else None))
