"""The socket on which a part says that it is ready."""

import asyncio
from pathlib import Path

import pytest

from tokentrail.compose.embedded.notify_socket import NotifySocket
from tokentrail.readiness import report_ready


@pytest.mark.parametrize("folder", ["short", "long" * 40])
async def test_a_part_is_heard_however_long_the_path_is(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    ready = asyncio.Event()
    notify = NotifySocket(tmp_path / folder / "part", ready.set, lambda _text: None)
    await notify.open()
    monkeypatch.setenv("NOTIFY_SOCKET", str(notify.path))

    report_ready()

    await asyncio.wait_for(ready.wait(), 10)
    notify.close()
    assert not notify.path.exists()
    assert list((tmp_path / folder).iterdir()) == []
