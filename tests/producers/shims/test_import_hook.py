"""The import hook: modules are told of once their code has run, and are otherwise imported as without it."""

import importlib
import inspect
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from tokentrail.producers.shims.import_hook import ImportHook


@pytest.fixture
def told() -> list[ModuleType]:
    return []


@pytest.fixture
def hook(told: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImportHook]:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield ImportHook(told.append)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_is_told_of_when_its_code_has_run(hook: ImportHook, told: list[ModuleType], tmp_path: Path) -> None:
    (tmp_path / "watched_one.py").write_text("def answer():\n    return 42\n")
    (tmp_path / "another_one.py").write_text("import watched_one\n")
    hook.watch("watched_one")
    hook.watch("watched_one")

    importlib.import_module("another_one")

    (module,) = told
    assert module.answer() == 42
    assert module is sys.modules["watched_one"]
    assert isinstance(module.__loader__, SourceFileLoader)
    assert inspect.getsource(module).startswith("def answer")


def test_a_module_that_is_broken_or_not_there_is_so_with_the_hook_too(
    hook: ImportHook, told: list[ModuleType], tmp_path: Path
) -> None:
    broken = tmp_path / "watched_two.py"
    broken.write_text('raise ValueError("broken")')
    hook.watch("watched_two")
    hook.watch("never_there")

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("never_there")
    with pytest.raises(ValueError, match="broken"):
        importlib.import_module("watched_two")
    assert told == []

    broken.write_text("fine = True  # and of another size")
    importlib.invalidate_caches()
    assert importlib.import_module("watched_two").fine
    assert len(told) == 1


def test_of_an_archive_with_one_loader_only_the_watched_module_is_told_of(
    hook: ImportHook, told: list[ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("watched_three.py", "import zipped_three")
        made.writestr("zipped_three.py", "")
    monkeypatch.syspath_prepend(str(archive))
    hook.watch("watched_three")

    importlib.import_module("watched_three")

    assert [module.__name__ for module in told] == ["watched_three"]


@pytest.mark.parametrize("place", [0, 1])
def test_another_hook_that_asks_all_finders_in_turn_ends(
    place: int, hook: ImportHook, told: list[ModuleType], tmp_path: Path
) -> None:
    class Other:
        asking = False

        def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> ModuleSpec | None:
            if self.asking:
                return None
            self.asking = True
            try:
                return find_spec(name)
            finally:
                self.asking = False

    (tmp_path / "watched_four.py").touch()
    hook.watch("watched_four")
    sys.meta_path.insert(place, Other())

    importlib.import_module("watched_four")

    assert [module.__name__ for module in told] == ["watched_four"]
