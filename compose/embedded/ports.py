"""Ports on loopback: a free one, or a clear word on who has the wanted one."""

import errno
import socket
from typing import Final

import psutil

from tokentrail.errors import PortTakenError

HOST: Final = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, user: str, setting: str) -> None:
    """Make sure that `user` (e.g. Kafka) can have a port; `setting` names what a person changes to choose another.

    Raises:
        PortTakenError: somebody listens there, or the port may not be had.
    """
    with socket.socket() as probe:
        # As the servers themselves do it: connections of a stack that just ended are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = f"is in use{_holder(port)}" if taken else f"cannot be had ({error.strerror})"
            raise PortTakenError(
                f"Port {port}, wanted for {user}, {reason}. Free it, or choose another port with {setting}."
            ) from None


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.pid
            if listens and connection.laddr and connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        # Other users' processes are not ours to see everywhere.
        return ""
    return ""
