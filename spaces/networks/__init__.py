"""The networks that architectures of a space stand for, and supernets; building one needs torch.

May import `spaces.published`; nothing but training imports what is here. A space of one's own is
announced with `register`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

_HERE = "nasarena.spaces.networks"
_NETWORKS: dict[tuple[str, str], str] = {
    ("growing", "images"): f"{_HERE}.growing_network:Network",
    ("nasbench201", "images"): f"{_HERE}.nasbench201_network:network",
    ("text-encoder", "text"): f"{_HERE}.text_encoder_network:Network",
    ("translation", "pairs"): f"{_HERE}.translation_network:Network",
}
_SUPERNETS: dict[tuple[str, str], str] = {
    ("nasbench201", "images"): f"{_HERE}.nasbench201_supernet:supernet",
    ("text-encoder", "text"): f"{_HERE}.text_encoder_supernet:Supernet",
}
DEFAULTS = {
    "images": "nasarena.spaces.published.growing:SPACE",
    "text": "nasarena.spaces.published.text_encoder:SPACE",
    "pairs": "nasarena.spaces.published.translation:SPACE",
}
"""The space of each kind of data where none is named."""


def register(
    space: str, kind: str, *, network: str | None = None, supernet: str | None = None
) -> None:
    """Announce how networks of a space are built.

    Args:
        space: the space's name.
        kind: of data: ``"images"``, ``"text"`` or ``"pairs"``.
        network: ``"module:attribute"`` of what is called with an architecture and, by keyword, the
            sizes of the data: ``classes``, ``channels``, ``height`` and ``width`` for images,
            ``classes`` and ``vocabulary`` for texts, ``source`` and ``target`` for pairs. It
            returns a ``torch.nn.Module``.
        supernet: the same for what is called with the sizes alone; see
            `nasarena.bench.core.types.Supernet` for what its module is asked.
    """
    for known, where in ((_NETWORKS, network), (_SUPERNETS, supernet)):
        if where is not None:
            known[space, kind] = where


def network_spaces() -> list[str]:
    """Return the names of the spaces whose architectures can be built, sorted."""
    return sorted({space for space, _ in _NETWORKS})


def supernet_spaces() -> list[str]:
    """Return the names of the spaces that have a supernet, sorted."""
    return sorted({space for space, _ in _SUPERNETS})


def network(space: str, kind: str) -> Callable[..., Any] | None:
    """Return what builds a network of the space for data of a kind; None if nothing does."""
    return _load(_NETWORKS.get((space, kind)))


def supernet(space: str, kind: str) -> Callable[..., Any] | None:
    """Return what builds the space's supernet for data of a kind; None if nothing does."""
    return _load(_SUPERNETS.get((space, kind)))


def _load(where: str | None) -> Callable[..., Any] | None:
    if where is None:
        return None
    module, _, attribute = where.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
