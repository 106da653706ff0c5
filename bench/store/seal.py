"""A seal on a Parquet file: its digests, in the gap before its footer.

::

    PAR1 | column chunks | mark, SHA-256 of what is before, SHA-256 of the footer | footer | PAR1

Parquet's own page checksums cover the pages' data; neither their headers nor the footer, which
holds the names, the types and what the file says of itself. The seal covers every byte. Readers
that know nothing of it skip it: a footer points at the chunks before it by their place.
"""

from __future__ import annotations

import hashlib

NONE = "it has no seal"
"""What `broken` says of a file that was never sealed."""

_MARK = b"nasarena sealed\n"
_SIZE = len(_MARK) + 2 * 32
_TAIL = 8
"""The footer's length in four bytes, and ``PAR1``."""


def _footer_place(data: memoryview) -> int:
    length = int.from_bytes(data[-_TAIL:-4], "little")
    return len(data) - _TAIL - length


def sealed(data: bytes | memoryview) -> bytes:
    """A Parquet file's content with a seal."""
    view = memoryview(data)
    place = _footer_place(view)
    chunks, footer = view[:place], view[place:]
    digests = hashlib.sha256(chunks).digest() + hashlib.sha256(footer).digest()
    return b"".join((chunks, _MARK, digests, footer))


def is_sealed(data: memoryview) -> bool:
    """Whether a seal is where it belongs."""
    begin = _footer_place(data) - _SIZE
    return begin >= 4 and data[begin : begin + len(_MARK)] == _MARK


def broken(data: memoryview, *, footer_only: bool = False) -> str | None:
    """What the seal says against a file's content (or its end), in words; None if nothing.

    With ``footer_only``, ``data`` need only hold the footer and the seal before it.
    """
    if len(data) < _TAIL + 4:
        return "it is cut off" if len(data) else "it is empty"
    if data[-4:].tobytes() != b"PAR1":
        return "it is cut off or no Parquet file"
    footer = _footer_place(data)
    if not is_sealed(data):
        # The mark stands elsewhere: what points at it is damaged. Nowhere: never sealed.
        misplaced = data.tobytes().rfind(_MARK) >= 0
        return "its end does not match its seal" if misplaced else NONE
    begin = footer - _SIZE
    of_chunks = data[footer - 64 : footer - 32]
    of_footer = data[footer - 32 : footer]
    if hashlib.sha256(data[footer:]).digest() != of_footer:
        return "its footer does not match its seal"
    if not footer_only and hashlib.sha256(data[:begin]).digest() != of_chunks:
        return "its columns do not match its seal"
    return None
