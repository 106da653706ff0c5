"""What a piece of work takes of the machine: real and processor time, memory."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def memory(field: str) -> int:
    """Bytes of this process under a name of proc(5)'s ``status``; 0 where there is none."""
    try:
        for line in _STATUS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _processor_seconds() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return time.process_time()
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _peak() -> int:
    if peak := memory("VmHWM"):
        return peak
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Usage:
    """Measures from when it is made. Where the peak of memory cannot be reset (all but Linux),
    it is the process's."""

    def __init__(self) -> None:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; see proc(5)
        self._started = time.time()
        self._begin = time.perf_counter()
        self._processor = _processor_seconds()

    def so_far(self) -> dict[str, Any]:
        """``seconds``, ``cpu_seconds``, ``peak_memory`` in bytes, ``started`` in s since 1970."""
        return {
            "seconds": time.perf_counter() - self._begin,
            "cpu_seconds": _processor_seconds() - self._processor,
            "peak_memory": _peak(),
            "started": self._started,
        }
