"""Which device a process trains on: each worker a GPU of its own, and one CPU thread a training.

Workers need not know of each other: a GPU is taken by holding a lock file in the user's cache
folder, which the system frees when the process ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ...spaces.cache import folder as cache_folder
from .._base.errors import NasarenaError

_claimed: dict[str, Any] = {}
"""The locks of the GPUs that this process has taken, by name: held until it ends."""


class NoDevice(NasarenaError):
    """The device that is asked for is not there."""


def pick(wanted: str) -> torch.device:
    """The device to train on: ``auto`` and ``cuda`` are the GPU of this process; see `claim`.

    Raises:
        NoDevice: if it is no device that torch knows, or a GPU that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto" and not gpus:
        return torch.device("cpu")
    if wanted in ("auto", "cuda") and gpus:
        return torch.device("cuda", claim(gpus))
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise NoDevice(
            f"device {wanted!r} is not known: expected 'auto', 'cpu', 'cuda' or 'cuda:1'"
        ) from error
    if device.type not in ("cpu", "cuda"):
        raise NoDevice(f"device {wanted!r} is not supported: expected 'auto', 'cpu' or 'cuda'")
    if device.type == "cuda" and (device.index or 0) >= gpus:
        sees = f"{gpus} GPUs" if gpus > 1 else "one GPU" if gpus else "no GPU"
        raise NoDevice(
            f"device {wanted!r} is asked for, torch sees {sees}: set device = 'cpu' or 'auto'"
        )
    return device


def claim(gpus: int) -> int:
    """The first of so many GPUs that no other process has, for as long as this one lives.

    With more processes than GPUs the rest share them, by their process numbers; `turn` keeps them
    from training at once.
    """
    from filelock import Timeout

    for index in range(gpus):
        name = _name(index)
        if name in _claimed:
            return index
        lock = _lock(f"{name}.taken")
        with suppress(Timeout, OSError, NotImplementedError):
            lock.acquire(blocking=False)
            _claimed[name] = lock
            return index
    return os.getpid() % gpus


@contextmanager
def turn(device: torch.device) -> Iterator[None]:
    """One training at a time on a GPU, however many processes share it: waits until it is free.

    On the CPU there is no waiting.
    """
    if device.type != "cuda":
        yield
        return
    lock = _lock(f"{_name(device.index or 0)}.turn")
    try:
        lock.acquire(poll_interval=0.05)
    except (OSError, NotImplementedError):  # a file system without locks: they share
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _lock(name: str) -> Any:
    from filelock import FileLock

    folder: Path = cache_folder() / "live" / "devices"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / name, fallback_to_soft=False)


def _name(index: int) -> str:
    """The same for one GPU in all processes, also where they see different ones."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    number = visible[index].strip() if index < len(visible) and visible[index].strip() else index
    return f"cuda-{number}".replace("/", "_")


def processes(device: torch.device | str) -> int:
    """So many processes can train at once on this machine: its GPUs, or its cores."""
    kind = device if isinstance(device, str) else device.type
    if kind != "cpu" and torch.cuda.is_available():
        return 1 if ":" in kind else torch.cuda.device_count()
    return os.cpu_count() or 1


@contextmanager
def threads(device: torch.device, count: int) -> Iterator[None]:
    """So many CPU threads for what is trained on the CPU: sums come out alike on every machine."""
    before = torch.get_num_threads()
    if device.type != "cpu" or before == count:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
