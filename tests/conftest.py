"""What tests run against: a real broker and a real ClickHouse engine, never a mock.

Fixtures:
- `broker` (session): bootstrap address of a Kafka broker. The test carries the marker `broker`.
- `engine` (session): URL of a ClickHouse engine. The test carries the marker `engine`.
- `settings` (function): a `Settings` of the test's own: topic prefix and database that nobody else uses, 2 partitions.
  With the marker `broker` it points at the broker and the topics exist; with the marker `engine` it points at the
  engine (the database does not exist yet: `migrate(settings)` makes it). All of it is removed after the test.
- `environ` (function): a whole environment for worker processes that shall use `settings`.

Broker and engine are shared by all tests: one that kills or stops them runs a stack of its own with
`tokentrail.compose.embedded.stack.running_stack`.

Where they come from, in this order: TOKENTRAIL_TEST_KAFKA and TOKENTRAIL_TEST_CLICKHOUSE in the environment;
containers, with `--containers`; else the embedded stack, started once per run when the first test asks for it.
"""

import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import clickhouse_connect
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from anyio.from_thread import start_blocking_portal
from hypothesis import settings as hypothesis_settings

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, KAFKA, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.settings import Settings

# A test says what holds, not how fast: the machine may have other things to do.
hypothesis_settings.register_profile("tokentrail", deadline=None)
hypothesis_settings.load_profile("tokentrail")
# What tests record without saying where stays out of the user's own spool.
_spool = tempfile.TemporaryDirectory(prefix="tokentrail-tests-")
os.environ.setdefault("TOKENTRAIL_SPOOL", _spool.name)

_NOBODY = "127.0.0.1:1"
_LONG = (
    "test_demo.py",
    "test_detection_of_a_log.py",
    "test_kill_9.py",
    "test_sdks.py",
    "test_stack.py",
    "test_ledger_recovery.py",
    "test_publisher.py",
    "test_erasing.py",
    "test_story.py",
    "test_alert_ledger.py",
    "test_hosts.py",
    "test_signed_ledger.py",
    "test_ledger_crashes.py",
    "test_canary_secrets.py",
    "test_alert_feed.py",
    "test_scale_out.py",
    "test_repricing.py",
)
"""The files that take longest, longest first: none may be what one process still does when the others are done."""
_SERVICES = ("broker", "engine")
_KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"
_CLICKHOUSE_IMAGE = "clickhouse/clickhouse-server:25.8"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--containers", action="store_true", help="run Kafka and ClickHouse in containers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, go on with those that need a service, end with many short ones."""
    served = {item.path for item in items if any(item.get_closest_marker(service) for service in _SERVICES)}
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: (places.get(item.path.name, len(places)), item.path not in served))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for service in _SERVICES:
        wanted = service in getattr(item, "fixturenames", ())
        if wanted and not item.get_closest_marker(service):
            pytest.fail(f"The fixture `{service}` needs the marker: @pytest.mark.{service}", pytrace=False)


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _broker(pytestconfig, tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with _engine(pytestconfig, tmp_path_factory.mktemp("clickhouse")) as url:
        yield url


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    marked = {service for service in _SERVICES if request.node.get_closest_marker(service)}
    name = f"t{uuid.uuid4().hex[:12]}"
    own = Settings(
        kafka=request.getfixturevalue("broker") if "broker" in marked else _NOBODY,
        clickhouse=request.getfixturevalue("engine") if "engine" in marked else f"http://{_NOBODY}",
        topic_prefix=f"{name}.",
        clickhouse_database=name,
        partitions=2,
        data=tmp_path / "data",
        key_pepper="a pepper for tests",
    )
    if "broker" in marked:
        asyncio.run(create_topics(own))
    yield own
    if "broker" in marked:
        asyncio.run(_delete_topics(own))
    if "engine" in marked:
        _drop_database(own)


@pytest.fixture(scope="session")
def filled_ledger(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The ledger of `known_ledger`, filled once for all tests that only read it."""
    from known_ledger import fill_known_ledger

    data = tmp_path_factory.mktemp("filled")
    own = Settings(kafka=_NOBODY, clickhouse=engine, clickhouse_database=f"t{uuid.uuid4().hex[:12]}", data=data)
    fill_known_ledger(own)
    yield own
    _drop_database(own)


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return worker_environ(settings)


def _broker(config: pytest.Config, data: Path) -> AbstractContextManager[str]:
    if address := os.environ.get("TOKENTRAIL_TEST_KAFKA"):
        return nullcontext(address)
    if config.getoption("--containers"):
        return _kafka_container()
    return _embedded_address(KAFKA, data)


def _engine(config: pytest.Config, data: Path) -> AbstractContextManager[str]:
    if url := os.environ.get("TOKENTRAIL_TEST_CLICKHOUSE"):
        return nullcontext(url)
    if config.getoption("--containers"):
        return _clickhouse_container()
    return _embedded_address(ENGINE, data)


@contextmanager
def _embedded_address(part: str, data: Path) -> Iterator[str]:
    with _embedded(StackPlan(data=data, settings=Settings(), parts=frozenset({part}))) as stack:
        yield stack.settings.kafka if part == KAFKA else stack.settings.clickhouse


@contextmanager
def _embedded(plan: StackPlan) -> Iterator[Stack]:
    # In a thread of its own, with its own event loop: each test has another loop, and many have none.
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_stack(plan)) as stack:
        yield stack


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer(_KAFKA_IMAGE).with_kraft() as container:
        yield container.get_bootstrap_server()


@contextmanager
def _clickhouse_container() -> Iterator[str]:
    from testcontainers.clickhouse import ClickHouseContainer

    container = ClickHouseContainer(_CLICKHOUSE_IMAGE, username="default", password="", dbname="default")
    with container:
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8123)}"


async def _delete_topics(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        ours = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        await admin.delete_topics(ours)
    finally:
        await admin.close()


def _drop_database(settings: Settings) -> None:
    client = clickhouse_connect.get_client(dsn=settings.clickhouse)
    try:
        client.command(f"DROP DATABASE IF EXISTS {settings.clickhouse_database}")
    finally:
        client.close()
