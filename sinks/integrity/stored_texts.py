"""Compares columns of texts with texts in Python by their bytes, which costs a third of making a column. Pure."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa

_OFFSETS: Final = np.dtype(np.int32)


def holds_texts(stored: pa.Array, texts: Sequence[str | None]) -> bool:
    """Whether a column has these texts and nothing else, None standing for ''. False where that is not certain."""
    if pa.types.is_dictionary(stored.type):
        stored = stored.dictionary_decode()
    if not (pa.types.is_string(stored.type) or pa.types.is_binary(stored.type)) or stored.null_count:
        return False
    if len(stored) != len(texts):
        return False
    _, ends, content = stored.buffers()
    offsets = _ends(stored, ends)
    size = int(offsets[-1] - offsets[0])
    if content is None or not any(texts):
        return not size and not any(texts)
    present = texts if all(texts) else [text or "" for text in texts]
    joined = "".join(present)  # type: ignore[arg-type] # no None is left
    lengths = list(map(len, present))  # type: ignore[arg-type] # as above
    if not joined.isascii():
        try:
            lengths = [len(text.encode()) for text in present]  # type: ignore[union-attr] # as above
        except UnicodeEncodeError:
            return False
    held = content.slice(int(offsets[0]), size)
    return bool(held.equals(pa.py_buffer(joined.encode()))) and bool(np.array_equal(np.diff(offsets), lengths))


def holds_map(stored: pa.Array, maps: Sequence[dict[str, Any] | None]) -> bool:
    """Whether a column has the pairs of these maps, in their order, None standing for {}. False where not certain."""
    if not pa.types.is_map(stored.type) or stored.null_count or len(stored) != len(maps):
        return False
    offsets = _ends(stored, stored.buffers()[1])
    begin, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    if not any(maps):
        return not count
    present = [pairs or {} for pairs in maps]
    if not np.array_equal(np.diff(offsets), list(map(len, present))):
        return False
    names, values = stored.keys.slice(begin, count), stored.items.slice(begin, count)
    if not holds_texts(names, list(chain.from_iterable(present))):
        return False
    expected = list(chain.from_iterable(map(dict.values, present)))
    if pa.types.is_integer(values.type):
        return bool(pa.array(expected, values.type).equals(values))
    return holds_texts(values, expected)


def _ends(column: pa.Array, buffer: pa.Buffer | None) -> np.ndarray[Any, np.dtype[np.int32]]:
    if buffer is None:
        return np.zeros(1, _OFFSETS)
    return np.frombuffer(buffer, _OFFSETS, len(column) + 1, column.offset * _OFFSETS.itemsize)
