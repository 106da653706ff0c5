"""Training speed: the trainer against a plain float32 eager loop with a DataLoader, in one run.

    python tests/perf/trainer_speed.py
    python tests/perf/trainer_speed.py --device cuda --compile --rounds 9

Both train the same networks with the same steps (optimizer, clipped gradients, annealed rate); they
take turns, and the ratio is the median over the rounds. On CUDA the cells have a batch of 256 and
images of 32 × 32, and the share of the card's dense bfloat16 peak (``--peak``, in TFLOP/s; 989 for
an H100 SXM, by its data sheet) is stated: three times the operations of a forward pass.

With ``--oracle`` also what the oracle adds to the training itself: data are there, a network is
built, measured, trained for nine epochs, its figures and checkpoint are kept.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from nasarena.bench import Query
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, data
from nasarena.bench.live.trainer import Trainer

CELLS = "nasarena.spaces.published.nasbench201:SPACE"
TEXT = {"optimizer": "adam", "learning_rate": 2e-3, "weight_decay": 1e-2}
CASES = {
    "digits, perceptron": ("digits", None, (0,) * 13, {}),
    "digits, two convolutions": ("digits", None, (1, 0, 0, 1, 1, 0) + (0,) * 7, {}),
    "digits, NAS-Bench-201 cell": ("digits", CELLS, (3, 1, 2, 0, 3, 4), {"examples": 512}),
    "mnist5k, two convolutions": (
        "mnist5k",
        None,
        (1, 0, 0, 1, 1, 0) + (0,) * 7,
        {"examples": 2000},
    ),
    "tweets, convolution": ("tweets", None, (2, 0, 0, 0, 0, 0, 1), {"examples": 2000, **TEXT}),
    "tweets, LSTM": ("tweets", None, (4, 0, 0, 0, 0, 0, 1), {"examples": 2000, **TEXT}),
}
GPU_CASES = {
    "NAS-Bench-201 cell, 32 × 32": ("noise", CELLS, (3, 1, 2, 0, 3, 4), {"batch": 256}),
    "NAS-Bench-201 cell of 3 × 3 convolutions": ("noise", CELLS, (3,) * 6, {"batch": 256}),
}


def noise(examples: int = 8192) -> data.Dataset:
    """Images of CIFAR-10's size."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (examples, 3, 32, 32), dtype=np.uint8)
    classes = [str(i) for i in range(10)]
    return data.split("noise", "images", images, rng.integers(0, 10, examples), classes=classes)


def make(case, asked, root):
    """The live task of a case, and its architecture."""
    dataset, space, arch, settings = case
    training = Training(
        epochs=(1, 9, 1000),
        device=asked.device,
        compile=asked.compile,
        threads=asked.threads,
        **settings,
    )
    task = LiveBenchmark({"t": LiveSetup(dataset, space, training)}, root=root).task("live/t", "t")
    if dataset == "noise":
        task.dataset = noise()
    return task, arch


class Plain:
    """What one writes first: a DataLoader of single examples, float32, eager."""

    def __init__(self, task, arch) -> None:
        t, part = task.training, task.objective.train
        self.device, self.training = task.device, t
        self.network = task.network(arch).to(task.device)
        kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.AdamW}
        more = {"momentum": 0.9, "nesterov": True} if t.optimizer == "sgd" else {}
        self.optimizer = kinds[t.optimizer](
            self.network.parameters(), t.learning_rate, weight_decay=t.weight_decay, **more
        )
        examples = TensorDataset(part.inputs.cpu(), part.targets.cpu())
        self.loader = DataLoader(
            examples, t.batch, shuffle=True, pin_memory=self.device.type == "cuda"
        )
        self.done = 0

    def epoch(self) -> None:
        self.network.train()
        for step, (inputs, targets) in enumerate(self.loader):
            share = (self.done + step / len(self.loader)) / self.training.epochs[-1]
            for group in self.optimizer.param_groups:
                group["lr"] = 0.5 * self.training.learning_rate * (1 + math.cos(math.pi * share))
            logits = self.network(inputs.to(self.device, non_blocking=True))
            loss = nn.functional.cross_entropy(logits, targets.to(self.device, non_blocking=True))
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
        self.done += 1


def seconds(function, device) -> float:
    begin = perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - begin


def speed(name, case, asked) -> None:
    with tempfile.TemporaryDirectory() as root:
        task, arch = make(case, asked, Path(root))
        plain = Plain(task, arch)
        ours = Trainer(task.network(arch), task.objective, task.training, 0, task.device)
        examples = len(task.objective.train)

        def epoch():
            ours._train_epoch(perf_counter(), None)
            ours.done += 1

        for function in (epoch, plain.epoch):  # what happens once: compiling, choosing kernels
            seconds(function, task.device)
        pairs = [
            (seconds(epoch, task.device), seconds(plain.epoch, task.device))
            for _ in range(asked.rounds)
        ]
        ratio = median(theirs / own for own, theirs in pairs)
        best = min(own for own, _ in pairs)
        line = (
            f"{name:42} {examples / best:10,.0f} examples a second, {ratio:5.2f} × the plain loop"
        )
        if not task.objective.images:
            tokens = int((task.objective.train.inputs != 0).sum())
            line += f" ({tokens / best:,.0f} tokens a second)"
        if task.device.type == "cuda":
            known = task.trained(arch, 0, 1)
            share = 3 * 2 * known.flops * examples / best / (asked.peak * 1e12)
            line += f", {share:.1%} of peak"
        print(line, flush=True)


def oracle(name, case, asked) -> None:
    """The share of a query that is not training or measuring."""
    shares, spare = [], []
    for number in range(asked.rounds + 1):
        with tempfile.TemporaryDirectory() as root:
            task, arch = make(case, asked, Path(root))
            _ = task.objective, task.journal  # loaded once a process
            begin = perf_counter()
            answer = task.oracle(Random(number)).evaluate(Query(arch, 9))
            whole = perf_counter() - begin
            if number == 0:  # what a process does once: imports, choosing kernels
                continue
            shares.append(whole / answer.observation.seconds - 1)
            spare.append(whole - answer.observation.seconds)
    print(
        f"{name:42} {median(spare) * 1000:8.1f} ms around the training, "
        f"{median(shares):6.1%} of nine epochs",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--peak", type=float, default=989.0, help="TFLOP/s, bfloat16, dense")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--only", default="", help="cases with this in their names")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    where = torch.cuda.get_device_name() if asked.device.startswith("cuda") else "CPU"
    print(f"{where}, torch {torch.__version__}, {asked.threads} threads, compile: {asked.compile}")
    cases = GPU_CASES | CASES if asked.device.startswith("cuda") else CASES
    for name, case in cases.items():
        if asked.only in name:
            (oracle if asked.oracle else speed)(name, case, asked)


if __name__ == "__main__":
    main()
