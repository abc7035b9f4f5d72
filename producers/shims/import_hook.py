"""The import hook: tells when a module has been imported, and needs no import of its own for it."""

import sys
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class ImportHook:
    """A finder for `sys.meta_path` that finds nothing itself: of some modules it also tells that they were executed.

    What finds and loads the module, and what the module says of its loader, stay what they are. See
    https://docs.python.org/3/reference/import.html#import-hooks.
    """

    def __init__(self, told: Callable[[ModuleType], object]) -> None:
        self._told = told
        self._names: set[str] = set()
        self._finding = threading.local()

    def watch(self, name: str) -> None:
        """Tell of this module from now on, right behind its code; `told` must not raise."""
        self._names.add(name)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the other finders find."""
        if name not in self._names or getattr(self._finding, "now", False):  # another hook asks all finders, us too
            return None
        self._finding.now = True
        try:
            spec = self._ask_others(name, path, target)
        finally:
            self._finding.now = False
        if spec is not None and spec.loader is not None:
            self._tell_when_executed(name, spec.loader)
        return spec

    def _ask_others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec(name, path, target) if find_spec is not None else None
            if spec is not None:
                return spec
        return None

    def _tell_when_executed(self, name: str, loader: Any) -> None:
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        @wraps(execute)
        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == name:  # one loader may load all of an archive
                self._told(module)

        try:  # noqa: SIM105 - `suppress` is an import that the host's start need not wait for
            loader.exec_module = exec_module
        except AttributeError:  # a loader of somebody's that takes none: the library goes unrecorded
            pass
