from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.stack import Stack
from tokentrail.compose.embedded.stack_plan import WORKERS, StackPlan
from tokentrail.compose.embedded.stack_state import write_state
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.trail_status import inspect_trail, settings_of_stack
from tokentrail.errors import EngineError, SettingsError
from tokentrail.settings import CONFIG_FILE, Settings, load_settings
from tokentrail.sinks.clickhouse.connection import connect

# Nobody listens on port 1.
SECRETIVE = Settings(kafka="127.0.0.1:1", clickhouse="http://writer:hush@127.0.0.1:1")


@pytest.mark.parametrize(
    ("clickhouse", "shown"),
    [
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("https://writer:hush@db.example:8443/trail", "https://db.example:8443/trail"),
        ("https://writer@db.example", "https://db.example"),
        ("https://db.example?user=writer&password=hush", "https://db.example"),
        ("writer:hush@db.example", "db.example"),
        ("db.example:8123", "db.example:8123"),
    ],
)
def test_the_address_is_shown_without_user_and_password(clickhouse: str, shown: str) -> None:
    assert Settings(clickhouse=clickhouse).clickhouse_address == shown


@given(st.text(), st.text())
def test_whatever_a_password_holds_is_not_shown(user: str, password: str) -> None:
    assert Settings(clickhouse=f"http://{user}:{password}@[::1]:8123").clickhouse_address == "http://[::1]:8123"


def test_an_engine_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(EngineError, match=r"ClickHouse at http://127\.0\.0\.1:1 cannot be reached") as refused:
        connect(SECRETIVE)
    assert "hush" not in str(refused.value)


async def test_the_state_of_a_trail_shows_no_password() -> None:
    assert "hush" not in repr(await inspect_trail(SECRETIVE))


def test_a_stacks_file_keeps_no_password_and_the_settings_own_serves_again(tmp_path: Path) -> None:
    kept = Stack(StackPlan(data=tmp_path, settings=SECRETIVE, parts=WORKERS), lambda _: None)._state()
    assert kept.clickhouse == "http://127.0.0.1:1"
    (tmp_path / "run").mkdir()
    write_state(tmp_path, kept)
    assert settings_of_stack(tmp_path, SECRETIVE).clickhouse == SECRETIVE.clickhouse
    assert settings_of_stack(tmp_path, Settings()).clickhouse == "http://127.0.0.1:1"


def test_a_broker_is_configured_only_where_somebody_names_it(tmp_path: Path) -> None:
    assert not load_settings({}, tmp_path).kafka_configured
    assert not load_settings({"TOKENTRAIL_SERVICE": "checkout"}, tmp_path).kafka_configured
    assert load_settings({"TOKENTRAIL_KAFKA": "127.0.0.1:9092"}, tmp_path).kafka_configured
    (tmp_path / CONFIG_FILE).write_text('kafka = "broker:9092"')
    assert load_settings({}, tmp_path).kafka_configured
    assert load_settings(worker_environ(Settings()), tmp_path).kafka_configured


def test_what_is_found_out_cannot_be_set(tmp_path: Path) -> None:
    assert not load_settings({"TOKENTRAIL_KAFKA_CONFIGURED": "true"}, tmp_path).kafka_configured
    (tmp_path / CONFIG_FILE).write_text("kafka_configured = true")
    with pytest.raises(SettingsError, match=r"kafka_configured .* is no setting"):
        load_settings({}, tmp_path)


def test_settings_of_a_secured_broker_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    secured = Settings(
        kafka="broker:9093",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="shim",
        kafka_sasl_password="hush",
        kafka_ssl_cafile=tmp_path / "ca.pem",
        kafka_ssl_check_hostname=False,
        delivery="strict",
        spool=tmp_path / "spool",
        spool_max_bytes=1_000_000,
        data=tmp_path,
    )
    assert load_settings(worker_environ(secured), tmp_path) == secured


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs kafka_sasl_username and kafka_sasl_password"),
        ({"KAFKA_SASL_USERNAME": "shim", "KAFKA_SASL_PASSWORD": "hush"}, "sends neither"),
        ({"KAFKA_SSL_CAFILE": "/ca.pem"}, "does not encrypt"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEYFILE": "/key.pem"}, "without kafka_ssl_certfile"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "kafka_security_protocol"),
        ({"DELIVERY": "sometimes"}, "delivery"),
        ({"SPOOL_MAX_BYTES": "12"}, "spool_max_bytes"),
    ],
)
def test_settings_that_do_not_go_together_are_named_without_the_password(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        load_settings({f"TOKENTRAIL_{name}": value for name, value in given.items()}, tmp_path)
    assert "hush" not in str(refused.value)
