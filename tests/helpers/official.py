"""Files in the benchmarks' official formats, made with the official packages' own classes.

The validation accuracies after the last epoch, training times, latencies and parameters are the
real ones of NAS-Bench-201. All that those do not have is made up, by a rule that tests can repeat.
"""

from collections import OrderedDict

import numpy as np

from nasarena.spaces.published import nasbench201
from nasarena.spaces.unpickle import load

SEEDS = (777, 888, 999)
PACKAGED = {"cifar10-valid": "cifar10", "cifar100": "cifar100", "ImageNet16-120": "imagenet16-120"}
SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}
SHIFT = {"x-valid": 0.0, "x-test": -0.25, "ori-test": -0.5}


def cells():
    """(index, cell, real measurements by dataset) in the benchmark's own order."""
    tables = {name: load(nasbench201.source(file)) for name, file in PACKAGED.items()}
    for index, key in enumerate(tables["cifar10-valid"]):
        arch = tuple(map(int, key))
        yield index, arch, {name: table[key] for name, table in tables.items()}


def curve(final, epochs, shift=0.0):
    """Accuracy after each epoch: rises by 1 % of the final value an epoch, up to it."""
    return [final * (1 - 0.01 * (epochs - 1 - e)) + shift for e in range(epochs)]


def trial(make, dataset, seed, arch_str, final, seconds, latency, parameters, epochs):
    """One training as the official package's ``ResultsCount``."""
    result = make(
        dataset,
        None,
        OrderedDict(enumerate(curve(final, epochs, 5.0))),
        OrderedDict(enumerate(np.linspace(2, 1, epochs).tolist())),
        parameters,
        parameters * 100,
        {"channel": 16, "num_cells": 5, "arch_str": arch_str, "class_num": 10},
        seed,
        epochs,
        None,
    )
    result.update_train_info(
        dict(enumerate(curve(final, epochs, 5.0))),
        dict(enumerate(curve(final, epochs, 6.0))),
        dict(enumerate(np.linspace(2, 1, epochs).tolist())),
        dict.fromkeys(range(epochs), seconds / epochs),
    )
    accuracies, losses, times = {}, {}, {}
    for name in SETS[dataset]:
        for epoch, value in enumerate(curve(final, epochs, SHIFT[name])):
            key = f"{name}@{epoch}"
            accuracies[key], losses[key], times[key] = value, 1.0, 0.125
    result.update_eval(accuracies, losses, times)
    result.update_latency([latency] * 2)
    return result


def arch_results(package, index, arch_str, trials):
    """All trainings of one cell as the official package's ``ArchResults``, as it saves them."""
    found = package.ArchResults(index, arch_str)
    for one in trials:
        found.update(one.name, one.seed, one)
    return found.state_dict()


def content(package, count=15_625, less=1, full=2, every_seed=False):
    """What a .pth file of NAS-Bench-201 holds, ready for torch.save.

    ``less`` and ``full`` are the epochs of the two kinds of training.
    """
    metas, infos = [], OrderedDict()
    for index, arch, real in cells():
        if index == count:
            break
        text = nasbench201.SPACE.describe(arch)
        metas.append(text)
        kinds = {}
        for kind, epochs in (("less", less), ("full", full)):
            trials = []
            for dataset, sets in SETS.items():
                if kind == "less" and dataset != "cifar10-valid":
                    continue  # as in version 1.0
                found = real[dataset if dataset in real else "cifar10-valid"]
                seeds = SEEDS if every_seed or dataset == "cifar10-valid" else SEEDS[:1]
                for seed, final in zip(seeds, found["val_acc"], strict=False):
                    number = found["val_acc"].index(final)
                    trials.append(
                        trial(
                            package.ResultsCount,
                            dataset,
                            seed,
                            text,
                            final if "x-valid" in sets else final + 2.0,
                            found["train_time"][number] * epochs / full,
                            found["latency"][number],
                            found["model_size"][number],
                            epochs,
                        )
                    )
            kinds[kind] = arch_results(package, index, text, trials)
        infos[index] = kinds
    return {"meta_archs": metas, "arch2infos": infos, "evaluated_indexes": set(range(len(metas)))}
