"""`tokentrail.alerts` and `tokentrail.watch_alerts` on a real broker."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError
from told_alerts import ids, make_alert, make_silence, resolved, take, tell

import tokentrail
from tokentrail.errors import BrokerError, RuleError
from tokentrail.processors.alert_marks import DeliveredAlert
from tokentrail.processors.incidents import identify_incident
from tokentrail.schemas.alert_controls import Acknowledgement
from tokentrail.schemas.alerts import Severity
from tokentrail.settings import Settings

AGO = timedelta(hours=1)


async def collect(settings: Settings, **options: object) -> list[DeliveredAlert]:
    """What is there, up to the alert `end`."""
    found = []
    await tell(settings, make_alert("end", entity="nobody"))
    async with asyncio.timeout(30):
        async with aclosing(tokentrail.alerts(settings=settings, since=AGO, **options)) as feed:  # type: ignore[arg-type]  # options of alerts
            async for delivered in feed:
                if delivered.alert.alert_id == "end":
                    break
                found.append(delivered)
    return found


@pytest.mark.broker
async def test_an_alert_comes_with_its_detection_its_delay_and_its_incident(settings: Settings) -> None:
    now = datetime.now(UTC)
    await tell(settings, make_alert("a1", occurred_at=now - timedelta(seconds=2)))
    (delivered,) = await collect(settings)
    assert abs(delivered.detected_at - now) < timedelta(seconds=20)
    assert delivered.delay_ms == round(
        (delivered.detected_at - delivered.alert.occurred_at).total_seconds() * 1000 - 0.5
    )
    assert delivered.incident_id == identify_incident("a1")
    assert (delivered.acknowledged_by, delivered.silenced_by) == ("", ())


@pytest.mark.broker
async def test_without_a_moment_only_what_comes_from_now_on_is_delivered(settings: Settings) -> None:
    await tell(settings, make_alert("old"))
    async with aclosing(tokentrail.alerts(settings=settings)) as feed:
        waiting = asyncio.create_task(anext(feed))
        told = 0
        while not waiting.done():
            told += 1
            await tell(settings, make_alert(f"new{told}", entity=f"user-{told}"))
            await asyncio.wait([waiting], timeout=0.2)
        assert waiting.result().alert.alert_id.startswith("new")


@pytest.mark.broker
async def test_rules_and_severities_choose(settings: Settings) -> None:
    told = [
        make_alert("a1", rule="token_spike", severity=Severity.MEDIUM),
        make_alert("a2", rule="high_error_rate", severity=Severity.CRITICAL),
        make_alert("a3", rule="high_request_volume", severity=Severity.HIGH),
    ]
    await tell(settings, *told)
    end = {"rules": ["high_*"], "severities": ["HIGH", "CRITICAL"]}
    assert ids(await collect(settings, **end)) == [("a2", 1), ("a3", 1)]


def test_a_severity_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'hihg' is no severity; they are INFO, WARNING"):
        tokentrail.alerts(severities=["hihg"], settings=Settings())


@pytest.mark.broker
async def test_a_change_that_is_told_twice_is_delivered_once(settings: Settings) -> None:
    alert = make_alert("a1")
    await tell(settings, alert, make_alert("a1", 2), alert, make_alert("a1", 2), make_alert("a1", 3))
    assert ids(await collect(settings)) == [("a1", 1), ("a1", 2), ("a1", 3)]


@pytest.mark.broker
async def test_what_is_silenced_is_left_out_unless_it_is_asked_for(settings: Settings) -> None:
    await tell(settings, make_silence("s1", entities=["nora*"]), make_alert("a1"), make_alert("a2", entity="li.wei"))
    assert ids(await collect(settings)) == [("a2", 1)]
    shown = await collect(settings, include_silenced=True)
    assert [(one.alert.alert_id, one.silenced_by) for one in shown] == [("a1", ("s1",)), ("a2", ())] + [("end", ())] * (
        len(shown) - 2
    )


@pytest.mark.broker
async def test_maintenance_windows_of_the_rule_file_silence_too(settings: Settings, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'rule = []\n[[maintenance]]\nname = "load_test"\nentities = ["nora*"]\n'
        'from = "2026-03-02T11:00:00Z"\nto = "2026-03-02T13:00:00Z"\n'
    )
    await tell(settings, make_alert("a1"), make_alert("a2", entity="li.wei"))
    in_maintenance = msgspec.structs.replace(settings, rules=rules)
    assert ids(await collect(in_maintenance)) == [("a2", 1)]
    rules.write_text('[[maintenance]]\nname = "load_test"\nfrom = "noon"\nto = "13:00"\n')
    with pytest.raises(RuleError, match=r"rules\.toml: maintenance 'load_test': `from` is 'noon'"):
        await collect(in_maintenance)


@pytest.mark.broker
async def test_who_has_taken_an_alert_on_is_told_with_its_later_changes(settings: Settings) -> None:
    acknowledged = Acknowledgement(
        control_id="ack:a1", alert_id="a1", acknowledged_by="nora", acknowledged_at=datetime.now(UTC)
    )
    async with aclosing(tokentrail.alerts(settings=settings, since=AGO)) as feed:
        await tell(settings, make_alert("a1"))
        (first,) = await take(feed, 1)
        await tell(settings, acknowledged, make_alert("a1", 2))
        (second,) = await take(feed, 1)
    assert (first.acknowledged_by, second.acknowledged_by) == ("", "nora")


@pytest.mark.broker
async def test_alerts_of_one_incident_carry_its_id_whoever_reads_them(settings: Settings) -> None:
    await tell(
        settings,
        make_alert("a1", evidence=["call-1"]),
        make_alert("b1", entity="li.wei"),
        make_alert("a2", dimension="api_key_id", entity="k", evidence=["call-1"]),
        resolved(make_alert("a1")),
    )
    alone = {ids([one])[0]: one.incident_id for one in await collect(settings)}
    async with aclosing(tokentrail.alerts(group="pager", settings=settings, since=AGO, rules=["high*"])) as feed:
        shared = {ids([one])[0]: one.incident_id for one in await take(feed, 5)}
    assert {change: shared[change] for change in alone} == alone
    assert alone["a1", 1] == alone["a2", 1] == alone["a1", 2] == identify_incident("a1") != alone["b1", 1]


@pytest.mark.broker
async def test_a_group_goes_on_with_the_alert_that_was_not_done(settings: Settings) -> None:
    await tell(settings, *(make_alert(f"a{number}", entity=f"user-{number}") for number in range(6)))
    delivered = []
    for count in (3, 4):
        async with aclosing(tokentrail.alerts(group="pager", settings=settings, since=AGO)) as feed:
            delivered.append(ids(await take(feed, count)))
    # The third was handed out and the next never asked for.
    assert {*delivered[0]} & {*delivered[1]} == {delivered[0][-1]}
    assert {*delivered[0], *delivered[1]} == {(f"a{number}", 1) for number in range(6)}


@pytest.mark.broker
async def test_a_group_remembers_what_was_filtered_out_as_done(settings: Settings) -> None:
    await tell(settings, *(make_alert(f"a{number}", entity=f"user-{number}") for number in range(4)))
    async with aclosing(tokentrail.alerts(group="pager", settings=settings, since=AGO, rules=["none"])) as feed:
        waiting = asyncio.create_task(anext(feed))
        async with asyncio.timeout(30):
            while sum(await _committed(settings, "pager")) < 4:  # noqa: ASYNC110 - Kafka has no event for it
                await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])


async def _committed(settings: Settings, group: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(f"{settings.topic_prefix}{group}")
        return [one.offset for one in found.values()]
    except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
        return []  # a fresh broker makes its topic of offsets when it is first asked
    finally:
        await admin.close()


@pytest.mark.broker
async def test_a_new_group_misses_nothing_that_came_while_it_was_away(settings: Settings) -> None:
    """It died before its first commit."""
    async with aclosing(tokentrail.alerts(group="pager", settings=settings)) as feed:
        waiting = asyncio.create_task(anext(feed))
        while len(await _committed(settings, "pager")) < settings.partitions:  # noqa: ASYNC110 - Kafka has no event for it
            await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
    await tell(settings, make_alert("a1"))
    async with aclosing(tokentrail.alerts(group="pager", settings=settings)) as feed:
        assert ids(await take(feed, 1)) == [("a1", 1)]


@pytest.mark.broker
async def test_two_members_share_the_alerts_and_each_alert_stays_with_one(settings: Settings) -> None:
    heard: list[list[tuple[str, int]]] = [[], []]

    async def member(number: int) -> None:
        async for delivered in tokentrail.alerts(group="pager", settings=settings, since=AGO):
            heard[number] += ids([delivered])

    tasks = [asyncio.create_task(member(number)) for number in range(2)]
    told = 0
    async with asyncio.timeout(60):
        while not all(heard):
            await tell(settings, *(make_alert(f"a{told + n}", entity=f"user-{told + n}") for n in range(4)))
            told += 4
            await asyncio.sleep(0.2)
        while len({*heard[0], *heard[1]}) < told:  # noqa: ASYNC110 - two tasks fill two lists
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert {*heard[0], *heard[1]} == {(f"a{number}", 1) for number in range(told)}


@pytest.mark.broker
async def test_after_a_break_the_next_member_need_not_wait(
    settings: Settings, recwarn: pytest.WarningsRecorder
) -> None:
    await tell(settings, make_alert("a1"))

    async def first() -> list[DeliveredAlert]:
        heard = []
        async for delivered in tokentrail.alerts(group="pager", settings=settings, since=AGO):
            heard.append(delivered)
            break
        return heard

    before = asyncio.all_tasks()
    assert ids(await first()) == [("a1", 1)]
    # The loop closes what was left; nobody asked it to.
    async with asyncio.timeout(8):
        while asyncio.all_tasks() - before:
            await asyncio.wait(asyncio.all_tasks() - before, timeout=1)
        async with aclosing(tokentrail.alerts(group="pager", settings=settings)) as feed:
            assert ids(await take(feed, 1)) == [("a1", 1)]
    assert not [warning for warning in recwarn if "AIOKafkaConsumer" in str(warning.message)]


@pytest.mark.broker
async def test_a_callback_of_either_kind_is_called_and_cancelling_ends_it(settings: Settings) -> None:
    await tell(settings, make_alert("a1"))
    called = asyncio.Event()
    loop = asyncio.get_running_loop()
    heard = []

    async def awaited(delivered: DeliveredAlert) -> None:
        heard.append(delivered.alert.alert_id)
        called.set()

    def blocking(delivered: DeliveredAlert) -> None:
        heard.append(delivered.alert.alert_id)
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        loop.call_soon_threadsafe(called.set)

    for callback in (awaited, blocking):
        called.clear()
        watching = asyncio.create_task(tokentrail.watch_alerts(callback, settings=settings, since=AGO))
        async with asyncio.timeout(30):
            await called.wait()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
    assert heard == ["a1", "a1"]


@pytest.mark.broker
async def test_an_alert_whose_callback_failed_comes_again(settings: Settings) -> None:
    await tell(settings, make_alert("a1"))

    def fail(_: DeliveredAlert) -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as failed:
            await tokentrail.watch_alerts(fail, group="pager", settings=settings, since=AGO)
        assert failed.value.__notes__ == [
            "The callback of watch_alerts failed at alert a1, revision 1. It was not committed and comes again."
        ]


async def test_an_absent_broker_is_one_sentence_that_says_what_to_check(settings: Settings) -> None:
    for group in (None, "pager"):
        with pytest.raises(BrokerError, match=r"cannot be read from Kafka at 127\.0\.0\.1:1 .* check TOKENTRAIL_KAFKA"):
            await anext(tokentrail.alerts(group=group, settings=settings))


@pytest.mark.broker
async def test_an_absent_topic_is_told_and_not_created(settings: Settings) -> None:
    elsewhere = msgspec.structs.replace(settings, topic_prefix=settings.topic_prefix + "no.")
    for _ in range(2):
        with pytest.raises(BrokerError, match=r"no topic .*no\.llm\.alerts, .* `tokentrail topics`"):
            await anext(tokentrail.alerts(settings=elsewhere))
