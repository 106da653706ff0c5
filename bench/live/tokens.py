"""Texts to token numbers: byte-pair encoding learned on the training part alone.

Source: Sennrich, Haddow & Birch, "Neural Machine Translation of Rare Words with Subword Units",
ACL 2016 (arXiv:1508.07909), as implemented by the package ``tokenizers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._base.errors import StoreError

SPECIAL = ("[PAD]", "[START]", "[END]", "[UNKNOWN]")
"""Their numbers are 0 to 3, which the networks of `spaces` know."""

START, END = 1, 2


class Tokenizer:
    """Learned from texts; the same texts give the same tokens.

    Args:
        texts: to learn from.
        size: of the vocabulary, at most.
        longest: tokens kept of a text; a sentence for translation has two more.
    """

    def __init__(self, texts: Sequence[str], *, size: int = 4000, longest: int = 48) -> None:
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        self.longest = longest
        library = Library(models.BPE(unk_token=SPECIAL[3]))
        library.normalizer = normalizers.NFKC()
        library.pre_tokenizer = pre_tokenizers.Metaspace()
        library.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            limit_alphabet=size // 2,
            special_tokens=list(SPECIAL),
            show_progress=False,
        )
        library.train_from_iterator(texts, trainer)
        self._library = library

    @classmethod
    def load(cls, file: Path, longest: int) -> Tokenizer:
        """Return the tokenizer that `save` wrote to ``file``.

        Raises:
            FileNotFoundError: if it is not there.
            StoreError: if it is damaged.
        """
        from tokenizers import Tokenizer as Library

        text = file.read_bytes()
        made = cls.__new__(cls)
        made.longest = longest
        try:
            made._library = Library.from_buffer(text)
        except ValueError as error:
            raise StoreError(f"{file} is damaged: {error}") from error
        return made

    def save(self, file: Path) -> None:
        """Write vocabulary and merges, in the format of the package ``tokenizers`` (JSON)."""
        self._library.save(str(file))

    def __len__(self) -> int:
        return int(self._library.get_vocab_size())

    def encode(self, texts: Sequence[str], *, marked: bool = False) -> NDArray[np.int64]:
        """(n, tokens of the longest) numbers padded with 0; ``marked``: from START to END."""
        rows = [each.ids[: self.longest] for each in self._library.encode_batch(list(texts))]
        if marked:
            rows = [[START, *row, END] for row in rows]
        found = np.zeros((len(rows), max(map(len, rows), default=1) or 1), np.int64)
        for number, row in enumerate(rows):
            found[number, : len(row)] = row
        return found

    def decode(self, rows: NDArray[np.int64]) -> list[str]:
        """The texts of token numbers, up to the first END or padding."""
        texts = []
        for row in rows.tolist():
            ends = [i for i, token in enumerate(row) if token in (0, END)]
            texts.append(row[: ends[0]] if ends else row)
        decoded: list[str] = self._library.decode_batch(texts)
        return decoded
