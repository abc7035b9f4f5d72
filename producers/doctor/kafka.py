"""Whether events can reach Kafka: the brokers, who we are to them, the topic."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from tokentrail.errors import SettingsError
from tokentrail.kafka_security import kafka_options
from tokentrail.producers.doctor.connections import TIMEOUT_S, Place, check_connection
from tokentrail.producers.doctor.findings import Finding, Verdict, broken, doubtful, well
from tokentrail.schemas.topics import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokentrail.settings import Settings

_ABOUT: Final = "kafka"
_DEFAULT_PORT: Final = 9092
_REQUEST_MS: Final = 5_000


def check_kafka(settings: Settings) -> Iterator[Finding]:
    """Yield what was found, from the address to the topic. Sends no event, creates no topic."""
    if not settings.kafka_configured:
        yield doubtful(
            _ABOUT, "address", "No Kafka is configured: events wait on this machine.", "Set TOKENTRAIL_KAFKA."
        )
        return
    reached = set()
    failed: list[Finding] = []
    for host, port in _addresses(settings.kafka):
        for finding in check_connection(Place(_ABOUT, host, port, tls=False)):
            if finding.verdict is Verdict.FAIL:
                failed.append(finding)
            elif finding.check == "tcp":
                reached.add((host, port))
                yield finding
    # One broker that answers is enough to find the others.
    yield from (_lessened(finding) if reached else finding for finding in failed)
    if reached:
        yield from asyncio.run(_ask(settings, reached))


async def _ask(settings: Settings, reached: set[tuple[str, int]]) -> list[Finding]:
    # What aiokafka logs of a failure stands in the finding.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    answering = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in sorted(reached)]
    try:
        # The client may ask any of its bootstrap servers first, and gives up when that one is away.
        options = {**kafka_options(settings), "bootstrap_servers": answering}
        admin = AIOKafkaAdminClient(**options, request_timeout_ms=_REQUEST_MS)
    except SettingsError as error:
        return [broken(_ABOUT, "auth", str(error), "Mend the settings that begin with kafka_.")]
    try:
        async with asyncio.timeout(2 * TIMEOUT_S):
            await admin.start()
            described = await admin.describe_cluster()
            topics = await admin.list_topics()
    except (KafkaError, OSError, TimeoutError) as error:
        return [_refused(settings, error)]
    finally:
        await admin.close()
    findings = [well(_ABOUT, "auth", f"The cluster answers ({settings.kafka_security_protocol}).")]
    findings += await asyncio.to_thread(_check_brokers, described, reached)
    return [*findings, _judge_topic(settings.topic(CALLS.name), topics)]


def _check_brokers(described: Any, reached: set[tuple[str, int]]) -> list[Finding]:
    """Return the brokers that cannot be reached by the address they give themselves, as happens with containers."""
    findings = []
    for broker in described.get("brokers", ()):
        host, port = broker["host"], broker["port"]
        if (host, port) in reached:
            continue
        steps = list(check_connection(Place(_ABOUT, host, port, tls=False)))
        if steps[-1].verdict is Verdict.FAIL:
            findings.append(
                broken(
                    _ABOUT, "brokers", f"A broker calls itself {host}:{port}: {steps[-1].what}",
                    "Set its advertised.listeners to an address that this machine can reach.",
                )
            )  # fmt: skip
    return findings


def _judge_topic(name: str, topics: list[str]) -> Finding:
    if name in topics:
        return well(_ABOUT, "topic", f"The topic {name} is there.")
    return broken(
        _ABOUT, "topic", f"There is no topic {name}.", "Create it with `tokentrail topics`, or see topic_prefix."
    )


def _refused(settings: Settings, error: Exception) -> Finding:
    kind = type(error).__name__
    if "Auth" in kind or "Sasl" in kind:
        return broken(
            _ABOUT, "auth", f"Kafka does not let us in ({kind}).",
            "Check kafka_sasl_mechanism, kafka_sasl_username, kafka_sasl_password, and what this user may do.",
        )  # fmt: skip
    return broken(
        _ABOUT, "auth", f"Kafka takes connections and does not answer as {settings.kafka_security_protocol} ({kind}).",
        "Check kafka_security_protocol and the kafka_ssl_ settings: the port may want TLS or a login.",
    )  # fmt: skip


def _lessened(finding: Finding) -> Finding:
    return doubtful(finding.about, finding.check, finding.what, finding.advice)


def _addresses(servers: str) -> Iterator[tuple[str, int]]:
    for server in filter(None, (part.strip() for part in servers.split(","))):
        host, colon, port = server.rpartition(":")
        if colon and port.isdigit():
            yield host.strip("[]"), int(port)
        else:
            yield server, _DEFAULT_PORT
