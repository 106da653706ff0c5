"""Which device each process trains on, with GPUs that are only pretended."""

import os
import threading
import time

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from nasarena.bench._base.errors import NasarenaError  # noqa: E402
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, devices  # noqa: E402


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """Two GPUs, and a cache folder of the test's own."""
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "_claimed", {})


def picked(monkeypatch):
    """What one more process picks: a lock that is held excludes this process too."""
    monkeypatch.setattr(devices, "_claimed", {})
    return devices.pick("auto"), devices._claimed


def test_each_process_takes_a_gpu_of_its_own(gpus, monkeypatch):
    first, held = picked(monkeypatch)
    assert devices.pick("cuda") == first == torch.device("cuda:0")  # it stays
    second, _ = picked(monkeypatch)
    assert second == torch.device("cuda:1")
    shared, none = picked(monkeypatch)
    assert shared.index == os.getpid() % 2 and not none
    for lock in held.values():  # the first process ends
        lock.release()
    assert picked(monkeypatch)[0] == first


def test_those_that_share_a_gpu_train_one_after_the_other(gpus):
    device, under_way, most = torch.device("cuda:0"), [], []

    def train():
        with devices.turn(device):
            under_way.append(1)
            most.append(len(under_way))
            time.sleep(0.05)
            under_way.pop()

    threads = [threading.Thread(target=train) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_the_same_gpu_has_one_name_in_all_processes(gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-1a2b")
    assert [devices._name(i) for i in range(3)] == ["cuda-3", "cuda-GPU-1a2b", "cuda-2"]


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
    assert LiveBenchmark(setup).task("live/digits", "digits").process_limit() == 2


def test_a_training_on_the_cpu_has_its_own_number_of_threads():
    before = torch.get_num_threads()
    with devices.threads(torch.device("cpu"), before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
