"""What was trained so far, on disk: a file of figures and a checkpoint for every training.

A training is an architecture and a training seed. Its figures are kept for every epoch, so a run
that is started again after it was killed is replayed from here and goes on where it stopped. Files
are replaced whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...spaces import Arch
from .._base.atomic import write_atomically, write_bytes, write_text
from .._base.errors import StoreError


def weights_file(seed: int) -> str:
    """Return where a seed's network lies in the folder of a retraining."""
    return f"weights/{seed}.safetensors"


@dataclass
class Trained:
    """The figures of one training: lists with one entry an epoch, and why it failed, if it did.

    ``validation`` and ``test`` are values of the task's metric, ``seconds`` are cumulative.
    """

    arch: Arch
    replica: int
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    parameters: int = 0
    flops: int = 0
    latency: float = 0.0
    failed: str = ""
    failed_after: float = 0.0

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return len(self.validation)

    def add(self, epoch: Any) -> None:
        """One `trainer.Epoch` more."""
        self.validation.append(epoch.validation)
        self.test.append(epoch.test)
        self.train_loss.append(epoch.train_loss)
        self.seconds.append(epoch.seconds)


WEIGHTS_LIMIT = 256 * 2**20
"""Bytes of a task's finished networks that are kept, the best ones, to be trained further."""


class Journal:
    """The trainings of one task below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Bytes of the weights that are kept; None: not yet looked at.
        self._kept: int | None = None

    def _file(self, arch: Arch, replica: int, suffix: str) -> Path:
        name = "-".join(map(str, arch))
        if len(name) > 80:
            name = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self.root / f"{name}_{replica}{suffix}"

    def read(self, arch: Arch, replica: int) -> Trained:
        """The figures so far; none, if it was never trained.

        Raises:
            StoreError: if the file is damaged, naming it.
        """
        file = self._file(arch, replica, ".json")
        try:
            plain = json.loads(file.read_text(encoding="utf-8"))
            return Trained(**(plain | {"arch": tuple(plain["arch"])}))
        except FileNotFoundError:
            return Trained(arch, replica)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{file} is damaged ({type(error).__name__}: {error}); "
                "delete it to have the network trained again"
            ) from error

    def write(self, trained: Trained, checkpoint: dict[str, Any] | None) -> None:
        """Keep the figures, and the state to go on from (none: there is no more to train).

        The checkpoint is written first: figures never promise an epoch that is not there.
        """
        file = self._file(trained.arch, trained.replica, ".pt")
        if checkpoint is not None:
            write_state(file, checkpoint)
        text = json.dumps(asdict(trained))
        figures = self._file(trained.arch, trained.replica, ".json")
        write_text(figures, text)
        if checkpoint is None:
            file.unlink(missing_ok=True)

    def checkpoint(self, arch: Arch, replica: int) -> dict[str, Any] | None:
        """The state that the last `write` kept; None if there is none that can be read."""
        return read_state(self._file(arch, replica, ".pt"))

    def keep(self, trained: Trained, weights: dict[str, Any], loss: float) -> None:
        """Keep the weights of a finished training, while they are among the best by ``loss``."""
        from safetensors.torch import save

        file = self._file(trained.arch, trained.replica, ".safetensors")
        tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
        data = save(tensors, {"loss": repr(loss), "epochs": str(trained.epochs)})
        write_bytes(file, data)
        if self._kept is None:
            self._kept = sum(size for _, size, _ in self._weights())
        else:
            self._kept += len(data)
        if self._kept > WEIGHTS_LIMIT:
            self._forget()

    def _weights(self) -> list[tuple[float, int, Path]]:
        """Loss, bytes and file of all weights that are kept."""
        from safetensors import SafetensorError, safe_open

        found = []
        for file in self.root.glob("*.safetensors"):
            try:
                with safe_open(file, "pt") as opened:
                    noted = opened.metadata() or {}
                found.append((float(noted.get("loss", "")), file.stat().st_size, file))
            except (OSError, ValueError, SafetensorError):
                # Damaged, or another process forgot it: it is of no use.
                found.append((float("inf"), 0, file))
        return found

    def _forget(self) -> None:
        """Delete the worst weights until those left take three quarters of the limit."""
        there = sorted(self._weights(), key=lambda one: one[:2])
        self._kept = 0
        for _, size, file in there:
            if self._kept + size > 0.75 * WEIGHTS_LIMIT:
                file.unlink(missing_ok=True)
            else:
                self._kept += size

    def weights(self, arch: Arch, replica: int) -> dict[str, Any] | None:
        """The network's weights after the last epoch trained; None if they are not kept."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self._file(arch, replica, ".safetensors")
        if file.is_file():
            try:
                weights: dict[str, Any] = load_file(file)
                return weights
            except (OSError, SafetensorError):
                return None  # as good as lost
        state = self.checkpoint(arch, replica)
        found: dict[str, Any] | None = state["network"] if state is not None else None
        return found

    def trainings(self) -> list[Trained]:
        """All that is there, in the order of the files' names."""
        found = []
        for file in sorted(self.root.glob("*.json")):
            plain = json.loads(file.read_text(encoding="utf-8"))
            found.append(Trained(**(plain | {"arch": tuple(plain["arch"])})))
        return found


def write_state(file: Path, state: dict[str, Any]) -> None:
    """Keep a state of tensors and plain values, whole or not at all."""
    import torch

    write_atomically(file, lambda target: torch.save(state, target))


def read_state(file: Path) -> dict[str, Any] | None:
    """The state that was kept last; None if there is none that can be read."""
    import torch

    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # of many kinds, all torch's and pickle's own
        # A damaged state costs time, not results: what it came from begins again.
        return None
    return found


def append_line(file: Path, values: list[Any]) -> None:
    """Add plain values to a file of which each line is a JSON list."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error}") from error


def read_lines(file: Path) -> list[list[Any]]:
    """The lines that were added, without one that was cut off."""
    if not file.is_file():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            found.append(json.loads(line))
    return found
