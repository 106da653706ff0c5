"""Live tasks: the answer comes from training a network. Needs ``pip install "nasarena[live]"``."""

from typing import TYPE_CHECKING, Any

from .benchmark import LiveBenchmark, LiveSetup
from .task import LiveTask
from .training import Training

if TYPE_CHECKING:
    from .model import load

__all__ = ["LiveBenchmark", "LiveSetup", "LiveTask", "Training", "load"]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for."""
    if name == "load":
        from .model import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
