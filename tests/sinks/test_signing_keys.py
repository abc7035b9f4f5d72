"""Keys: kept for their owner alone, read back with their passphrase, and never overwritten."""

from pathlib import Path

import msgspec
import pytest
from memory_ledger import make_ledger

from tokentrail.errors import SettingsError
from tokentrail.schemas.alerts import decode_alert
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint, decode_line, encode_line
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.signing_keys import load_signing_key, make_signing_key, read_public_key


@pytest.mark.parametrize("passphrase", ["", "a passphrase"])
def test_a_key_that_was_made_signs_after_it_was_read_back(tmp_path: Path, passphrase: str) -> None:
    path = tmp_path / "keys" / "key.pem"
    made = make_signing_key(path, passphrase)
    assert path.stat().st_mode & 0o777 == 0o600
    read = load_signing_key(path, passphrase)
    assert read_public_key(made.public.text) == read.public
    assert made.public.verifies(read.sign(b"message"), b"message")
    assert not made.public.verifies(read.sign(b"message"), b"another")


def test_what_is_wrong_with_a_key_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    make_signing_key(path, "right")
    with pytest.raises(SettingsError, match="never overwritten"):
        make_signing_key(path)
    with pytest.raises(SettingsError, match="checkpoint_key_password"):
        load_signing_key(path, "wrong")
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="read by others"):
        load_signing_key(path, "right")
    for text in ("ed25519:short", str(tmp_path / "nothing"), str(path)):
        with pytest.raises(SettingsError):
            read_public_key(text)


def test_a_file_gives_back_what_was_appended_and_passes_over_half_a_line(tmp_path: Path) -> None:
    file, checkpoints = CheckpointFile(tmp_path / "checkpoints.jsonl"), make_ledger(1).checkpoints
    assert file.read() == []
    file.append(checkpoints[0])
    with (tmp_path / "checkpoints.jsonl").open("ab") as torn:
        torn.write(encode_line(checkpoints[1])[:40])
    file.append(checkpoints[1])
    assert file.read() == checkpoints[:2]


def test_readers_of_alerts_take_a_checkpoint_for_none_of_theirs() -> None:
    line = encode_line(make_ledger(1).checkpoints[0])
    with pytest.raises(msgspec.MsgspecError):
        decode_alert(line)
    assert isinstance(decode_line(line), SignedCheckpoint)
    assert decode_line(b'{"type": "something else"}') is None
