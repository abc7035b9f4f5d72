"""What a broker, or nobody, says to the doctor."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from msgspec.structs import replace

from tokentrail.producers.doctor.findings import Verdict
from tokentrail.producers.doctor.kafka import check_kafka
from tokentrail.settings import Settings


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of somebody who takes connections and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_nobody_listens() -> None:
    findings = list(check_kafka(Settings(kafka="127.0.0.1:1, [::1]:1")))
    assert [(each.check, each.verdict) for each in findings] == [("tcp", Verdict.FAIL)] * 2


def test_a_broker_that_nobody_configured_is_told_of() -> None:
    (only,) = check_kafka(Settings(kafka="127.0.0.1:1", kafka_configured=False))
    assert (only.verdict, "TOKENTRAIL_KAFKA" in only.advice) == (Verdict.WARN, True)


def test_somebody_who_is_no_broker_fails(silent: str) -> None:
    findings = list(check_kafka(Settings(kafka=silent)))
    assert [(each.check, each.verdict) for each in findings] == [("tcp", Verdict.OK), ("auth", Verdict.FAIL)]
    assert "does not answer as PLAINTEXT" in findings[-1].what


def test_settings_that_do_not_go_together_fail_by_name(silent: str) -> None:
    findings = list(check_kafka(Settings(kafka=silent, kafka_security_protocol="SASL_SSL")))
    assert (findings[-1].verdict, "kafka_sasl_username" in findings[-1].what) == (Verdict.FAIL, True)


@pytest.mark.broker
def test_broker_and_topic_are_there(settings: Settings) -> None:
    findings = list(check_kafka(settings))
    assert [(each.check, each.verdict) for each in findings] == [
        ("tcp", Verdict.OK), ("auth", Verdict.OK), ("topic", Verdict.OK),
    ]  # fmt: skip


@pytest.mark.broker
def test_one_broker_that_answers_is_enough(settings: Settings) -> None:
    findings = list(check_kafka(replace(settings, kafka=f"127.0.0.1:1,{settings.kafka}")))
    assert ("tcp", Verdict.WARN) in [(each.check, each.verdict) for each in findings]
    assert not [each for each in findings if each.verdict is Verdict.FAIL]


@pytest.mark.broker
def test_a_topic_that_is_not_there_is_not_made(settings: Settings) -> None:
    elsewhere = replace(settings, topic_prefix="nobody.has.made.")
    for _ in range(2):
        last = list(check_kafka(elsewhere))[-1]
        assert (last.check, last.verdict, "tokentrail topics" in last.advice) == ("topic", Verdict.FAIL, True)


@pytest.mark.broker
def test_another_protocol_than_the_brokers_fails(settings: Settings) -> None:
    secured = replace(settings, kafka_security_protocol="SSL")
    assert [(each.check, each.verdict) for each in check_kafka(secured)][-1] == ("auth", Verdict.FAIL)
