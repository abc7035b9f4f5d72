"""A broker that wants TLS and a password: a wrong one costs nothing but time."""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from told_alerts import ids, make_alert, make_silence, take, tell
from topic_log import read_topic

import tokentrail
from tokentrail.compose.broker_status import inspect_broker
from tokentrail.compose.embedded.ports import free_port
from tokentrail.compose.topics import create_topics
from tokentrail.errors import BrokerError, SettingsError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.alert_controls import publish_control
from tokentrail.processors.record_batches import BatchingApp
from tokentrail.producers.calls import Call
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.spool.bus import Spool, SpoolOptions
from tokentrail.settings import Settings

BROKER = """
import sys
from tokentrail.compose.embedded import kafka
data, port, secured_port, keys = sys.argv[1:]
plain = kafka.server_properties
def server_properties(*arguments):
    properties = plain(*arguments)
    properties["listeners"] += f",SASL_SSL://127.0.0.1:{secured_port}"
    properties["advertised.listeners"] += f",SASL_SSL://127.0.0.1:{secured_port}"
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_shim="right";'
    return {
        **properties,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keys,
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": login,
    }
kafka.server_properties = server_properties
sys.argv[1:] = ["--data", data, "--port", port]
kafka.main()
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    directory = tmp_path_factory.mktemp("keys")
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return directory / "certificate.pem"


@pytest.fixture(scope="module")
def secured(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Settings]]:
    """Settings for the broker's open listener, and for its secured one."""
    directory = tmp_path_factory.mktemp("kafka")
    keys = directory / "broker.pem"
    keys.write_text((certificate.parent / "key.pem").read_text() + certificate.read_text())
    port, secured_port = free_port(), free_port()
    command = [sys.executable, "-c", BROKER, str(directory / "data"), str(port), str(secured_port), str(keys)]
    with (directory / "broker.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    plain = Settings(kafka=f"127.0.0.1:{port}", partitions=2)
    try:
        deadline_s = time.monotonic() + 90
        while True:
            try:
                asyncio.run(create_topics(plain))
                break
            except BrokerError:
                if time.monotonic() > deadline_s or process.poll() is not None:
                    raise TimeoutError((directory / "broker.log").read_text()[-2000:]) from None
                time.sleep(0.1)
        yield (
            plain,
            Settings(
                kafka=f"127.0.0.1:{secured_port}",
                kafka_security_protocol="SASL_SSL",
                kafka_sasl_username="shim",
                kafka_sasl_password="right",
                kafka_ssl_cafile=certificate,
            ),
        )
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.broker
def test_a_wrong_password_is_said_once_and_everything_is_kept_for_the_right_one(
    secured: tuple[Settings, Settings],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain, right = secured
    wrong = msgspec.structs.replace(right, kafka_sasl_password="wrong-secret", spool=tmp_path / "spool")
    locked_out = Spool.from_settings(wrong)
    recorder = Recorder(locked_out.append)
    for _ in range(5):
        recorder.started(Call())
        assert locked_out.commit()
    while locked_out.stats().retries < 3:
        locked_out.flush(0.1)
    assert "uthenticat" in locked_out.stats().last_error
    assert locked_out.stats().pending == 5
    assert not locked_out.close(0)
    warnings = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert [entry.name for entry in warnings] == ["tokentrail"]
    assert "wrong-secret" not in caplog.text

    admitted = Spool(
        SpoolOptions(
            root=tmp_path / "spool",
            topic="llm.calls",
            kafka=right.kafka,
            connect=lambda: kafka_options(right),
            grace_s=0,
        )
    )
    Recorder(admitted.append).started(Call())
    assert admitted.commit()
    deadline_s = time.monotonic() + 60
    while admitted.stats().adopted < 5 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert admitted.close()

    assert len(asyncio.run(read_topic(plain, "llm.calls"))) == 6


@pytest.mark.broker
def test_the_other_clients_are_let_in_as_well(secured: tuple[Settings, Settings]) -> None:
    _, right = secured
    assert "created" not in {report.outcome for report in asyncio.run(create_topics(right))}
    assert asyncio.run(inspect_broker(right)).records["llm.calls"] is not None
    credentials: Any = BatchingApp(right, "test", []).conf.broker_credentials
    assert (credentials.protocol.value, credentials.mechanism.value) == ("SASL_SSL", "PLAIN")
    assert (credentials.username, credentials.password) == ("shim", "right")
    assert BatchingApp(Settings(), "test", []).conf.broker_credentials is None


@pytest.mark.broker
async def test_alerts_are_delivered_to_whoever_has_the_password(secured: tuple[Settings, Settings]) -> None:
    plain, right = secured
    await publish_control(right, make_silence("s1", rules=["other"]))
    await tell(plain, make_alert("a1"))
    async with aclosing(tokentrail.alerts(group="pager", settings=right, since=timedelta(hours=1))) as feed:
        assert ids(await take(feed, 1)) == [("a1", 1)]
    wrong = msgspec.structs.replace(right, kafka_sasl_password="wrong-secret")
    for group in (None, "pager"):
        with pytest.raises(BrokerError, match="check TOKENTRAIL_KAFKA, the user and its password"):
            await anext(tokentrail.alerts(group=group, settings=wrong))
    with pytest.raises(BrokerError, match="the user and its password"):
        await publish_control(wrong, make_silence())


def test_a_certificate_that_cannot_be_used_is_named(certificate: Path, tmp_path: Path) -> None:
    base = Settings(kafka_security_protocol="SSL")
    with pytest.raises(SettingsError, match=r"kafka_ssl_cafile .*none\.pem"):
        kafka_options(msgspec.structs.replace(base, kafka_ssl_cafile=tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match="kafka_ssl_certfile"):
        kafka_options(
            msgspec.structs.replace(base, kafka_ssl_certfile=certificate, kafka_ssl_keyfile=tmp_path / "none.pem")
        )
    options = kafka_options(
        msgspec.structs.replace(
            base, kafka_ssl_certfile=certificate, kafka_ssl_keyfile=certificate.parent / "key.pem",
            kafka_ssl_check_hostname=False,
        )
    )  # fmt: skip
    assert options["security_protocol"] == "SSL"
    assert not options["ssl_context"].check_hostname
