"""A trained network that can be used: it takes images or texts as they are.

```python
from nasarena.bench.live import load

model = load("results/retrained/live/tweets/random")
model.predict(["what a lovely day"])
```
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._base.errors import StoreError
from .objectives import EVALUATION_BATCH, moments, networks, sizes
from .tokens import Tokenizer

CARD = "model-card.json"
TOKENIZERS = {"text": ("tokenizer",), "pairs": ("source", "target"), "images": ()}
"""The tokenizers that come with a network, by the kind of its data: files ``<name>.json``."""


class Model(nn.Module):
    """A network with what prepares its inputs and names its outputs.

    Args:
        network: the trained network.
        kind: ``"images"``, ``"text"`` or ``"pairs"``.
        classes: names of the outputs.
        tokenizers: of `TOKENIZERS`, in their order.
        moments: mean and deviation (1, channels, 1, 1) by which pixels are standardized.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        network: nn.Module,
        kind: str,
        classes: Sequence[str] = (),
        tokenizers: Sequence[Tokenizer] = (),
        moments: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.kind = network, kind
        self.classes, self.tokenizers = tuple(classes), tuple(tokenizers)
        if moments is not None:
            self.register_buffer("mean", moments[0])
            self.register_buffer("spread", moments[1])

    def forward(self, *inputs: Tensor) -> Tensor:
        """Pixels from 0 to 255 (n, channels, height, width), or token numbers, to logits."""
        if self.kind == "images":
            (pixels,) = inputs
            inputs = ((pixels.float() - self.mean) / self.spread,)
        logits: Tensor = self.network(*inputs)
        return logits

    @torch.no_grad()
    def predict(self, inputs: Any) -> list[str]:
        """The class of each image (n, channels, height, width) or text; or each translation.

        Raises:
            ValueError: if images have another shape, or texts are no list of strings.
        """
        self.eval()
        given = self._encoded(inputs)
        batches = [given[i : i + EVALUATION_BATCH] for i in range(0, len(given), EVALUATION_BATCH)]
        if self.kind == "pairs":
            target = self.tokenizers[1]
            translate: Any = self.network.translate
            rows = [translate(batch, target.longest + 2).cpu().numpy() for batch in batches]
            return [text for batch in rows for text in target.decode(batch)]
        found = [self(batch).argmax(dim=1).tolist() for batch in batches]
        return [self.classes[number] for batch in found for number in batch]

    def _encoded(self, inputs: Any) -> Tensor:
        """Inputs as the network takes them, on its device."""
        device = next(self.parameters()).device
        if self.kind == "images":
            pixels = torch.as_tensor(inputs)
            if pixels.ndim != 4 or pixels.shape[1] != self.mean.shape[1]:
                raise ValueError(
                    f"expected images (n, {self.mean.shape[1]}, height, width), "
                    f"got {tuple(pixels.shape)}"
                )
            return pixels.to(device)
        if isinstance(inputs, str) or not all(isinstance(text, str) for text in inputs):
            raise ValueError(f"expected a list of texts, got {inputs!r:.60}")
        return torch.from_numpy(self.tokenizers[0].encode(list(inputs))).to(device)


def of_training(network: nn.Module, dataset: Any, objective: Any) -> Model:
    """A network that was trained for ``dataset``, with all that goes with it."""
    names = TOKENIZERS[dataset.kind]
    tokenizers = [getattr(objective, name) for name in names]
    shown = moments(dataset) if dataset.kind == "images" else None
    return Model(network, dataset.kind, dataset.classes, tokenizers, shown)


def about(dataset: Any, objective: Any) -> dict[str, Any]:
    """What `load` must know beside the architecture, ready for JSON."""
    longest = {name: getattr(objective, name).longest for name in TOKENIZERS[dataset.kind]}
    return {
        "kind": dataset.kind,
        "classes": list(dataset.classes),
        "sizes": sizes(dataset, objective),
        "longest": longest,
    }


def load(folder: str | Path, seed: int | None = None) -> Model:
    """The network that `nasarena retrain` left in ``folder``, on the CPU, ready to predict.

    ``seed`` is one of the card's training seeds; None: the one with the best validation metric.

    Raises:
        StoreError: if there is no model card or it or a file that it names is damaged or missing.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    root = Path(folder)
    card = read_card(root)
    trained = {one["seed"]: one for one in card["seeds"] if not one["failed"]}
    wanted = card["best"] if seed is None else seed
    if wanted not in trained:
        raise StoreError(f"{root} has networks of the seeds {[*trained]}, asked: {seed}")
    network, shown = card["network"], card["architecture"]
    build = networks(shown["space"], network["kind"], str(root), **network["sizes"])
    file = root / trained[wanted]["weights"]
    try:
        weights = load_file(file)
        tokenizers = [
            Tokenizer.load(root / f"{name}.json", longest)
            for name, longest in network["longest"].items()
        ]
    except FileNotFoundError as error:
        raise StoreError(f"{root} lacks a file that its card names: {error}") from error
    except SafetensorError as error:
        raise StoreError(f"{file} is damaged: {error}") from error
    moments = (weights["mean"], weights["spread"]) if "mean" in weights else None
    made = Model(
        build(tuple(shown["choices"])), network["kind"], network["classes"], tokenizers, moments
    )
    try:
        made.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise StoreError(f"{file} does not fit the card's architecture: {first}") from error
    return made.eval()


def read_card(root: Path) -> dict[str, Any]:
    """The model card in a folder.

    Raises:
        StoreError: if there is none, or it is damaged.
    """
    file = root / CARD
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
    except FileNotFoundError:
        raise StoreError(f"{root} holds no retrained network: it has no {CARD}") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{file} is damaged ({error}): run nasarena retrain again") from error


def write_weights(model: Model, file: Path) -> None:
    """Write a model's weights, as safetensors."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(tensors, file, {"format": "pt"})
