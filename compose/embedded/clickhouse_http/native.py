"""chDB's native module, which ships no types.

Used instead of chDB's Python wrapper because it takes a statement's bytes as they are.
"""

import importlib
from typing import Any

native: Any = importlib.import_module("chdb._chdb")
