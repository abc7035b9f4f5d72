"""The supervisor's end of sd_notify(3): one datagram socket for each part."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LONGEST_PATH_BYTES: Final = 100
"""unix(7) has room for 107 and a zero byte."""
_SHORT_ROOT: Final = Path("/tmp")  # noqa: S108 - the directory made in it is this user's alone


class NotifySocket(asyncio.DatagramProtocol):
    """Receives what a part says of itself: `READY=1` and `STATUS=…`."""

    def __init__(self, path: Path, on_ready: Callable[[], None], on_status: Callable[[str], None]) -> None:
        """`path` is where the socket is to be; one that is too long for a socket is replaced by a private short one."""
        self._directory: Path | None = None
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
            self._directory = Path(tempfile.mkdtemp(prefix="tokentrail-", dir=_SHORT_ROOT))
            path = self._directory / "notify"
        self.path = path
        self._on_ready = on_ready
        self._on_status = on_status
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Listen from now on."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.setblocking(False)  # noqa: FBT003 # the standard library's signature
        listener.bind(str(self.path))
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=listener)

    def close(self) -> None:
        """Listen no more."""
        if self._transport:
            self._transport.close()
        self.path.unlink(missing_ok=True)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Take one message, `NAME=value` on each line; unknown names are let pass."""
        for line in data.decode(errors="replace").splitlines():
            name, _, value = line.partition("=")
            if name == "READY" and value == "1":
                self._on_ready()
            elif name == "STATUS":
                self._on_status(value)
