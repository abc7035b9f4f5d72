"""How the workers collect garbage: rarely, for what they make is freed by reference counts."""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 100_000
"""Objects between two collections. A fetched batch is thousands of them, without a cycle; with Python's own 700 a tenth
of a worker's time went into looking at them again and again."""


def collect_rarely() -> None:
    """Leave what is loaded by now out of every collection, and collect seldom; for processes that work in batches."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 50, 100)
