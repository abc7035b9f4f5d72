"""Tells whoever supervises this process that it is ready, and what it is doing.

Speaks systemd's notification protocol (sd_notify(3)): one datagram to the socket named by `NOTIFY_SOCKET`, so the same
worker reports to `tokentrail up` and to a systemd unit with `Type=notify`.
"""

import os
import socket
from contextlib import suppress


def report_ready() -> None:
    """Say that this process does its work from now on. Never blocks, never raises; silent without a supervisor."""
    _send("READY=1")


def report_state(text: str) -> None:
    """Say in one short line what this process is doing. Never blocks, never raises; silent without a supervisor."""
    _send("STATUS=" + text.replace("\n", " "))


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notifier:
        notifier.sendto(message.encode(), address)
