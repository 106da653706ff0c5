"""Which device each process trains on, with GPUs that are only pretended."""

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from nasarena.bench.errors import NasarenaError  # noqa: E402
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, devices  # noqa: E402

WORKER = """
import os, sys
import torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
from nasarena.bench.live import devices
device = devices.pick("auto")
assert devices.pick("cuda") == device  # it stays
print(device, flush=True)
for line in sys.stdin:
    with devices.turn(device):
        print("begin", flush=True)
        sys.stdin.readline()
    print("end", flush=True)
"""


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Two GPUs, and a cache folder of the test's own."""
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "_claimed", {})


class Worker:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.device = self.hear()

    def hear(self):
        return self.process.stdout.readline().strip()

    def say(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def test_each_worker_takes_a_gpu_of_its_own_and_those_that_share_wait(gpus):
    first = Worker()
    second = Worker()
    third = Worker()
    try:
        assert [first.device, second.device] == ["cuda:0", "cuda:1"]
        shared = first if third.device == "cuda:0" else second
        assert third.device == shared.device
        shared.say()
        assert shared.hear() == "begin"
        third.say()
        time.sleep(0.3)  # it would have begun by now
        shared.say()
        assert shared.hear() == "end"
        assert third.hear() == "begin"
        third.say()
        assert third.hear() == "end"
        first.end()  # its GPU is free again
        fourth = Worker()
        assert fourth.device == "cuda:0"
        fourth.end()
    finally:
        for worker in (first, second, third):
            if worker.process.returncode is None:
                worker.end()


def test_the_device_that_is_named_is_taken(gpus):
    assert devices.pick("cuda:1") == torch.device("cuda:1")
    assert devices.pick("cpu") == torch.device("cpu")
    assert (devices.processes("auto"), devices.processes("cuda:1")) == (2, 1)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("cuda:2", "torch sees 2 GPUs"),
        ("gpu", "device 'gpu' is not known: expected 'auto'"),
        ("meta", "device 'meta' is not supported"),
    ],
)
def test_devices_that_are_not_there(gpus, wanted, message):
    with pytest.raises(NasarenaError, match=message):
        devices.pick(wanted)


def test_a_run_has_as_many_processes_as_gpus(gpus):
    setup = {"digits": LiveSetup("digits", training=Training(epochs=(1,)))}
    assert LiveBenchmark(setup).task("live/digits", "digits").processes == 2


def test_a_training_on_the_cpu_has_its_own_number_of_threads():
    before = torch.get_num_threads()
    with devices.threads(torch.device("cpu"), before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
