"""Small fully connected networks, several at once, for strategies that learn a surrogate.

One fit takes milliseconds at the sizes that a search sees (hundreds of rows, tens of units), which
is what a library would spend on getting started; and its input gradients are at hand.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Ensemble:
    """Networks of one shape (ReLU, one output) that differ in initial weights and minibatches.

    Trained by Adam (Kingma & Ba 2015, arXiv:1412.6980) from He initialization (He et al. 2015,
    arXiv:1502.01852). All arrays carry the ensemble's members in front.
    """

    def __init__(
        self, inputs: int, rng: np.random.Generator, *, members: int, width: int, layers: int
    ) -> None:
        sizes = [inputs, *[width] * layers, 1]
        self._rng = rng
        self._members = members
        shapes: list[tuple[int, ...]] = [
            shape for a, b in pairwise(sizes) for shape in ((members, a, b), (members, 1, b))
        ]
        # One array holds all weights, so that a step of Adam is a handful of operations.
        self._all, self._weights = _parts(shapes)
        self._slopes, self._gradients = _parts(shapes)
        for weights in self._weights[::2]:
            drawn = rng.standard_normal(weights.shape, dtype=np.float32)
            weights[:] = drawn * np.sqrt(2 / weights.shape[1])
        self._first, self._second = np.zeros_like(self._all), np.zeros_like(self._all)
        self._steps = 0

    def predict(self, x: Array) -> Array:
        """(n, inputs) to (members, n)."""
        return self._forward(np.broadcast_to(x, (self._members, *x.shape)))[-1][..., 0]

    def gradient(self, x: Array) -> Array:
        """(n, inputs) to (n, inputs): how the mean prediction grows with each input."""
        inputs = np.broadcast_to(x, (self._members, *x.shape))
        outputs = self._forward(inputs)
        back = np.full_like(outputs[-1], 1 / self._members)
        for layer in range(len(outputs) - 2, -1, -1):
            back = back @ self._weights[2 * layer].swapaxes(1, 2)
            if layer:
                back *= outputs[layer] > 0
        total: Array = back.sum(axis=0)
        return total

    def fit(
        self,
        x: Array,
        y: Array,
        *,
        epochs: int,
        least_batch: int = 32,
        learning_rate: float = 0.01,
        weights: Array | None = None,
    ) -> None:
        """Minimize the squared error over (n, inputs) and (n,); with ``weights``, the weighted
        absolute error. Goes on from where the last fit ended.

        An epoch is at most two minibatches, of at least ``least_batch`` rows, so that the time of
        a fit hardly grows with the rows.
        """
        n = len(x)
        batch = max(least_batch, -(-n // 2))
        for _ in range(epochs):
            order = self._rng.permuted(np.tile(np.arange(n), (self._members, 1)), axis=1)
            for start in range(0, n, batch):
                rows = order[:, start : start + batch]
                outputs = self._forward(x[rows])
                error = outputs[-1][..., 0] - y[rows]
                slope = error if weights is None else np.sign(error) * weights[rows]
                self._descend(outputs, slope[..., None] / rows.shape[1], learning_rate)

    def _forward(self, x: Array) -> list[Array]:
        """The input, and the output of every layer."""
        outputs = [x]
        last = len(self._weights) - 2
        for layer in range(0, len(self._weights), 2):
            y = outputs[-1] @ self._weights[layer] + self._weights[layer + 1]
            outputs.append(y if layer == last else np.maximum(y, 0, out=y))
        return outputs

    def _descend(self, outputs: list[Array], back: Array, learning_rate: float) -> None:
        """One step of Adam, given the loss's slope at the output."""
        for layer in range(len(outputs) - 2, -1, -1):
            np.matmul(outputs[layer].swapaxes(1, 2), back, out=self._gradients[2 * layer])
            np.sum(back, axis=1, keepdims=True, out=self._gradients[2 * layer + 1])
            if layer:
                back = back @ self._weights[2 * layer].swapaxes(1, 2)
                back *= outputs[layer] > 0
        self._steps += 1
        rate = learning_rate * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps)
        slopes, first, second = self._slopes, self._first, self._second
        first += 0.1 * (slopes - first)
        slopes *= slopes
        second += 0.001 * (slopes - second)
        self._all -= np.float32(rate) * first / (np.sqrt(second) + 1e-8)


def _parts(shapes: list[tuple[int, ...]]) -> tuple[Array, list[Array]]:
    """A flat array of zeros, and views of its parts in these shapes."""
    sizes = [prod(shape) for shape in shapes]
    whole = np.zeros(sum(sizes), np.float32)
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    return whole, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
