"""Whether a host can be reached: its name, the connection, TLS; each step timed."""

import socket
import ssl
import time
from collections.abc import Iterator
from typing import NamedTuple

from tokentrail.producers.doctor.findings import Finding, broken, well

TIMEOUT_S = 10.0


class Place(NamedTuple):
    """Where to connect, and on whose behalf."""

    about: str
    host: str
    port: int
    tls: bool


def check_connection(place: Place, timeout_s: float = TIMEOUT_S) -> Iterator[Finding]:
    """Yield a finding for each step, up to the first that fails. Sends nothing but what TLS needs."""
    where = f"{place.host}:{place.port}"
    began = time.perf_counter()
    try:
        addresses = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield broken(
            place.about, "dns", f"{place.host} cannot be resolved ({_words(error)}).",
            "Check the name, and this machine's DNS: containers often have their own.",
        )  # fmt: skip
        return
    elapsed_ms = _since_ms(began)
    found = sorted({str(address[4][0]) for address in addresses})
    yield well(place.about, "dns", f"{place.host} is {', '.join(found[:3])} ({elapsed_ms} ms).", ms=elapsed_ms)

    began = time.perf_counter()
    try:
        connection = socket.create_connection((place.host, place.port), timeout=timeout_s)
    except OSError as error:
        yield broken(
            place.about, "tcp", f"{where} does not take a connection ({_words(error)}).",
            "Refused: nothing listens there. Timed out: perhaps a firewall.",
        )  # fmt: skip
        return
    with connection:
        elapsed_ms = _since_ms(began)
        yield well(place.about, "tcp", f"{where} takes connections ({elapsed_ms} ms).", ms=elapsed_ms)
        if place.tls:
            yield _check_tls(place, connection)


def _check_tls(place: Place, connection: socket.socket) -> Finding:
    began = time.perf_counter()
    try:
        with ssl.create_default_context().wrap_socket(connection, server_hostname=place.host) as secured:
            version = secured.version()
    except ssl.SSLCertVerificationError as error:
        return broken(
            place.about, "tls", f"The certificate of {place.host} is not trusted ({error.verify_message}).",
            "A proxy of your company may stand in between: make its authority known (SSL_CERT_FILE).",
        )  # fmt: skip
    except OSError as error:
        return broken(
            place.about, "tls", f"{place.host}:{place.port} does not speak TLS ({_words(error)}).",
            "Check the port, and whether the address should begin with http://.",
        )  # fmt: skip
    elapsed_ms = _since_ms(began)
    return well(place.about, "tls", f"{version} with a certificate that is trusted ({elapsed_ms} ms).", ms=elapsed_ms)


def _since_ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason or type(error).__name__)
