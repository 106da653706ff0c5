"""Live tasks: the answer comes from training a network. Needs ``pip install "nasarena[live]"``."""

from .benchmark import LiveBenchmark, LiveSetup
from .task import LiveTask
from .training import Training

__all__ = ["LiveBenchmark", "LiveSetup", "LiveTask", "Training"]
