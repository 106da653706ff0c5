"""The zero-cost proxies of a live task: computed once a network, kept, and charged to each run.

Every run pays the seconds of each value at the first time it asks for it, whoever computed it: what
a strategy is charged does not depend on what ran before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...spaces import Arch, SearchSpace
from ..core.supernet_clock import Search
from ..core.types import Proxy

if TYPE_CHECKING:
    from .proxies import Minibatch

TOKENS = ("parameters", "flops", "grad_norm", "snip", "synflow", "jacob_cov")
IMAGES = (*TOKENS, "fisher", "naswot")
"""fisher sums over the channels of feature maps and naswot over rectified units; networks of tokens
have little of either."""

SEED = 0
"""The training seed whose initial weights are looked at."""


def names(space: SearchSpace) -> tuple[str, ...]:
    """The proxies of a space's architectures."""
    return TOKENS if space.name in ("text-encoder", "translation") else IMAGES


class Scored(NamedTuple):
    """A proxy's value and the seconds that it took; ``known``: not just now."""

    value: float
    seconds: float
    known: bool = True


class ProxyStore:
    """Values by proxy and canonical architecture, kept in a file that only grows.

    Args:
        file: one JSON line a value; a line that was cut off is passed over.
        compute: a value, and the seconds that it took, from a proxy's name and a canonical
            architecture.
    """

    def __init__(self, file: Path, compute: Callable[[str, Arch], tuple[float, float]]) -> None:
        self._file, self._compute = file, compute
        self._known: dict[tuple[str, Arch], Scored] = {}
        for line in _lines(file):
            with suppress(ValueError, TypeError, KeyError):
                said = json.loads(line)
                key = str(said["proxy"]), tuple(map(int, said["arch"]))
                self._known.setdefault(key, Scored(float(said["value"]), float(said["seconds"])))

    def get(self, name: str, arch: Arch) -> Scored:
        """The value of a canonical architecture."""
        known = self._known.get((name, arch))
        if known is not None:
            return known
        value, seconds = self._compute(name, arch)
        self._known[name, arch] = Scored(value, seconds)
        said = {"proxy": name, "arch": arch, "value": value, "seconds": seconds}
        self._append(json.dumps(said))
        return Scored(value, seconds, known=False)

    def _append(self, line: str) -> None:
        """One write of a whole line: processes may append at once. Without a place to write to,
        values are computed again next time."""
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            handle = os.open(self._file, flags, 0o644)
            try:
                os.write(handle, f"{line}\n".encode())
            finally:
                os.close(handle)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def charged(
    space: SearchSpace, store: Callable[[], ProxyStore], search: Search | None = None
) -> Mapping[str, Proxy]:
    """`Problem.proxies` of a run: what they take is spent on ``search``, once a value."""
    paid: set[tuple[str, Arch]] = set()

    def proxy(name: str, arch: Arch) -> float:
        key = name, space.canonical(arch)
        found = store().get(*key)
        if search is not None and key not in paid:
            paid.add(key)
            search.spend(found.seconds, replayed=found.known)
        return found.value

    return {name: partial(proxy, name) for name in names(space)}


def value_of(name: str, network: Callable[[], Any], batch: Minibatch) -> float:
    """A proxy of a fresh network; NaN where it does not fit into the device's memory."""
    import torch

    from .proxies import score
    from .trainer import out_of_memory

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        try:
            return score(name, network().to(batch.inputs[0].device), batch)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            return float("nan")
