"""The supervisor's end of sd_notify(3): one datagram socket for each part."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path


class NotifySocket(asyncio.DatagramProtocol):
    """Receives what a part says of itself: `READY=1` and `STATUS=…`."""

    def __init__(self, path: Path, on_ready: Callable[[], None], on_status: Callable[[str], None]) -> None:
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

    def datagram_received(self, data: bytes, _address: object) -> None:
        """Take one message, `NAME=value` on each line; unknown names are let pass."""
        for line in data.decode(errors="replace").splitlines():
            name, _, value = line.partition("=")
            if name == "READY" and value == "1":
                self._on_ready()
            elif name == "STATUS":
                self._on_status(value)
