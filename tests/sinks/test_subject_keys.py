"""A key store as several writers and an eraser see it."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tokentrail.errors import KeyStoreError
from tokentrail.processors.sealing import UnsealError, seal, unseal
from tokentrail.sinks.erasure import subject_keys
from tokentrail.sinks.erasure.subject_keys import SubjectKeys

PIECES = [(0, b'"u"')]


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SubjectKeys]:
    store = SubjectKeys(tmp_path)
    yield store
    store.close()


def test_a_subject_keeps_its_key_in_every_process(keys: SubjectKeys, tmp_path: Path) -> None:
    one = keys.for_subjects(["user:1"])["user:1"]
    sealed = seal(PIECES, one.cipher, 0, 1)
    other = SubjectKeys(tmp_path)
    again = other.for_subjects(["user:1", "user:2"])
    assert again["user:1"].key_id == one.key_id == other.find("user:1")
    assert unseal(b"null", sealed, again["user:1"].cipher, 0, 1) == b'"u"'
    assert unseal(b"null", sealed, other.by_id([one.key_id])[one.key_id], 0, 1) == b'"u"'
    with pytest.raises(UnsealError):
        unseal(b"null", sealed, again["user:2"].cipher, 0, 1)
    other.close()


def test_a_destroyed_key_is_used_by_no_process_any_more(keys: SubjectKeys, tmp_path: Path) -> None:
    writer = SubjectKeys(tmp_path)
    before = writer.for_subjects(["user:1", "user:2"])
    erasure = keys.destroy("user:1", "first", 1_000)
    assert erasure.key_ids == [before["user:1"].key_id]
    after = writer.for_subjects(["user:1", "user:2"])
    assert after["user:1"].key_id != before["user:1"].key_id
    assert after["user:1"].erased_until_ms == 1_000
    assert (after["user:2"].key_id, after["user:2"].erased_until_ms) == (before["user:2"].key_id, -1)
    assert writer.by_id([before["user:1"].key_id]) == {}
    writer.close()


def test_no_byte_of_a_destroyed_key_is_left_in_any_file(keys: SubjectKeys, tmp_path: Path) -> None:
    keys.for_subjects([f"user:{number}" for number in range(300)])
    with sqlite3.connect(tmp_path / "keys.sqlite") as reader:
        key_id, wrapped = reader.execute(
            "SELECT key_id, wrapped FROM subject_keys WHERE subject = ?", (keys.subject_hmac("user:7"),)
        ).fetchone()
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert wrapped in held
    pending = keys.destroy("user:7", "first", 1_000)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(wrapped[at : at + 8] in held for at in range(len(wrapped) - 8))
    assert key_id not in held
    assert pending.key_ids == [key_id]


def test_no_subject_is_named_in_clear(keys: SubjectKeys, tmp_path: Path) -> None:
    keys.for_subjects(["user:somebody@example.org"])
    keys.destroy("user:somebody@example.org", "first", 1_000)
    assert not any(b"somebody" in path.read_bytes() for path in tmp_path.iterdir())


def test_an_erasure_that_was_cut_short_is_gone_on_with(keys: SubjectKeys) -> None:
    first = keys.for_subjects(["user:1"])["user:1"].key_id
    keys.destroy("user:1", "cut short", 1_000)
    second = keys.for_subjects(["user:1"])["user:1"].key_id
    pending = keys.destroy("user:1", "again", 2_000)
    assert set(pending.key_ids) == {first, second}
    assert keys.unfinished() == 1
    keys.finish("again")
    assert keys.unfinished() == 0
    assert keys.destroy("user:1", "third", 3_000).key_ids == []


def test_an_eraser_waits_for_inserts_that_have_begun_and_no_later_one_passes_it(
    keys: SubjectKeys, tmp_path: Path
) -> None:
    eraser, order = SubjectKeys(tmp_path), list[str]()
    waiting, second_may_go = threading.Event(), threading.Event()

    def erase() -> None:
        waiting.set()
        with eraser.inserts_held():
            order.append("erased")
        second_may_go.set()

    with keys.inserting():
        thread = threading.Thread(target=erase)
        thread.start()
        waiting.wait()
        order.append("inserted")
    assert second_may_go.wait(30)
    with keys.inserting():
        order.append("later insert")
    thread.join()
    assert order == ["inserted", "erased", "later insert"]
    eraser.close()


def test_two_writers_insert_at_once(keys: SubjectKeys, tmp_path: Path) -> None:
    other = SubjectKeys(tmp_path)
    with keys.inserting(), other.inserting():
        pass
    other.close()


def test_what_is_forgotten_for_room_is_read_again(keys: SubjectKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject_keys, "REMEMBERED_KEYS", 3)
    names = [f"user:{number}" for number in range(1_000)]
    first = keys.for_subjects(names)
    assert len(keys._known) == 3
    again = keys.for_subjects(names)
    assert [again[name].key_id for name in names] == [first[name].key_id for name in names]


def test_writers_that_make_the_same_keys_at_once_get_the_same(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tokentrail.sinks.erasure.subject_keys import SubjectKeys; "
        "store = SubjectKeys(Path(sys.argv[1])); names = [f'user:{n}' for n in range(2000)]; "
        "found = store.for_subjects(names); sys.stdout.write(''.join(found[n].key_id.hex() for n in names))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "new")], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert said[0] == said[1]
    assert len(said[0]) == 2000 * 32


def test_the_master_key_is_the_owners_alone(keys: SubjectKeys, tmp_path: Path) -> None:
    keys.close()
    master = tmp_path / "master.key"
    assert master.stat().st_mode & 0o777 == 0o600
    master.chmod(0o644)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        SubjectKeys(tmp_path)


def test_keys_without_their_master_key_are_not_taken_for_a_new_store(keys: SubjectKeys, tmp_path: Path) -> None:
    keys.for_subjects(["user:1"])
    keys.close()
    (tmp_path / "master.key").rename(tmp_path / "elsewhere")
    with pytest.raises(KeyStoreError, match="restore"):
        SubjectKeys(tmp_path)
    (tmp_path / "master.key").write_bytes(os.urandom(32))
    (tmp_path / "master.key").chmod(0o600)
    with pytest.raises(KeyStoreError, match="not the master key"):
        SubjectKeys(tmp_path)


def test_a_writer_that_is_killed_while_it_makes_keys_leaves_a_store_that_works(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tokentrail.sinks.erasure import subject_keys as s; "
        "store = s.SubjectKeys(Path(sys.argv[1])); store.for_subjects(['user:1']); "
        "store._connection.execute('BEGIN IMMEDIATE'); "
        "store._connection.executemany('INSERT INTO subject_keys VALUES (?, ?, ?)', "
        "[store._new_row(bytes([n])) for n in range(200)]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    store = SubjectKeys(tmp_path)
    assert store.find("user:1") == store.for_subjects(["user:1"])["user:1"].key_id
    assert store._connection.execute("SELECT count(*) FROM subject_keys").fetchone() == (1,)
    store.close()
