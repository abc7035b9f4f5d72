"""A ledger of a made-up company, made inside the engine: any number of calls over 30 days, and the rollups of them.

3,000 users of very different zeal in 12 departments and 40 teams, 400 keys, 120 features of 30 services, 18 models of
3 providers, 120 producers that keep to their Kafka partitions. People work in bursts: some 20 calls of one user,
feature and model within ten minutes, four times as many bursts at noon as at midnight; a user has one to three features
of the own team, and a feature one model, or in every fifth burst a second. Each call goes through one of its service's
four producers. Retries, repeated requests, failures and sessions; the mappings of 400 keys, 3,000 users and 120
features, a third of them corrected later; and one day of the archive. More calls are more bursts, not longer ones.

Calls are made in a table beside `calls`, whose parts `calls` then takes: views, of which it has six, would each sum up
every block while it is written. The rollups are filled by the SELECT of their views, a few bursts of all users at once.
"""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_tables import ONE_PART
from tokentrail.sinks.clickhouse.rollups import ROLLUPS, select_from_part

DAYS: Final = 30
DEPARTMENTS: Final = 12
BLOCK: Final = 250_000
"""A part of `calls` as it is made; the embedded engine has 3 GiB."""
STRETCH: Final = 4 * BLOCK
"""Calls that the rollups are filled from at once, while the next are made: their sketches are in memory."""
_BURST_CALLS: Final = 20
_BURST_WINDOWS: Final = DAYS * 24 * 6
_EVENTS_S: Final = 1_800
_QUIET_LOOKS: Final = 10
PATIENCE_S: Final = 600
_DRAFT: Final = "calls_made_up"
_ROWS: Final = """
WITH
    cityHash64(number) AS dice,
    intDiv(dice, 1009) % 1000003 / 1000003 AS luck,
    number * {step_us:Float64} / 86400000000 AS even_days,
    -- The clock runs slower at noon: more calls in an hour.
    even_days + 0.1 * (sin(2 * pi() * (even_days + {clock:Float64})) - sin(2 * pi() * {clock:Float64})) AS days,
    toDateTime64({first:String}, 6, 'UTC') + toIntervalMicrosecond(toInt64(days * 86400000000)) AS moment,
    -- Of a hundred calls two are second attempts, and one a third.
    number - (number % 100 IN (1, 51, 52)) - (number % 100 = 52) AS attempt_of,
    lower(hex(MD5(toString(attempt_of)))) AS digits_of_first,
    intDiv(attempt_of, {window:UInt64}) * {bursts:UInt64} + cityHash64(attempt_of) % {bursts:UInt64} AS burst,
    cityHash64(burst, 'burst') AS burst_dice,
    toUInt32(pow(intDiv(burst_dice, 1013) % 1000003 / 1000003, 2.5) * 3000) AS user,
    cityHash64(user, 'team') % 40 AS team,
    (team * 3 + [0, 0, 0, 1, 1, 2][burst_dice % (user % 6 + 1) + 1]) % 120 AS feature,
    feature % 30 AS service,
    if(intDiv(burst_dice, 7) % 5 = 0, feature * 5 + 3, feature) % 18 AS name,
    service * 4 + intDiv(dice, 31) % 4 AS producer,
    intDiv(dice, 37) % 1000 AS outcome,
    multiIf(outcome < 970, 'SUCCESS', outcome < 985, 'RATE_LIMITED', outcome < 992, 'SERVER_ERROR',
        outcome < 996, 'TIMEOUT', outcome < 999, 'CLIENT_ERROR', 'AUTH_FAILED') AS its_status,
    outcome < 970 AS fine,
    lower(substring(hex(toUnixTimestamp64Milli(moment)), 5)) AS clock,
    lower(hex(MD5(toString(number)))) AS digits,
    toUInt32(if(fine, 20 + exp(luck * 3 + intDiv(dice, 41) % 1000 / 250), 0)) AS asked,
    toUInt32(if(fine, 5 + exp(intDiv(dice, 43) % 1000 / 150), 0)) AS answered,
    if(name = 17 OR NOT fine, NULL, toDecimal64(asked * (name + 1), 9) / 4000000) AS input_side,
    if(name = 17 OR NOT fine, NULL, toDecimal64(answered * (name + 1), 9) / 1000000) AS output_side
"""
_CALLS: Final = (
    """
INSERT INTO {database:Identifier}.{draft:Identifier} (
    kafka_partition, kafka_offset, appended_at, occurred_at, clock_suspect, time, event_id, producer_id, producer_seq,
    call_id, logical_call_id, provider_request_id, trace_id, span_id, service, environment, department, feature,
    session_id, user_id, request_source, ip_address, user_agent, api_key_id, api_key_hint, provider, server_address,
    endpoint, http_method, operation, model, request_model, response_model, stream, status, http_status_code,
    error_type, retry_count, finish_reasons, latency_ms, time_to_first_token_ms, input_tokens, output_tokens,
    cache_read_tokens, usage_source, request_hash, response_hash, attributes, input_cost, output_cost, cost_usd,
    currency, price_source, price_version, rate_id)
"""
    + _ROWS
    + """
SELECT
    cityHash64(producer) % 8, number, moment + toIntervalMillisecond(50 + dice % 900), moment, false, moment,
    concat(clock, '-7', substring(digits, 1, 23)), concat('producer-', toString(producer)), intDiv(number, 120) + 1,
    concat(clock, '-7', substring(digits, 10, 23)), concat('logical-7', digits_of_first),
    if(fine, concat('req_', substring(digits, 3, 24)), ''), lower(hex(MD5(toString(intDiv(number, 3) * 1000003)))),
    lower(hex(sipHash64(number + 1))), concat('service-', toString(service)),
    if(producer % 4 = 3, 'staging', 'production'), concat('department-', toString(team % {departments:UInt32})),
    concat('feature-', toString(feature)), concat('session-', toString(user), '-', toString(burst)),
    concat('user-', toString(user)), if(feature % 5 = 0, 'batch', 'api'),
    concat('10.', toString(user % 4), '.', toString(user % 250), '.', toString(dice % 3)), 'OpenAI/Python 3.54.0',
    concat('hmac1:5f2e:', lower(hex(SHA256(toString(cityHash64(user, feature % 2) % 400))))),
    concat('sk-...', toString(cityHash64(user, feature % 2) % 400)),
    ['openai', 'anthropic', 'google'][name % 3 + 1] AS its_provider, concat('api.', its_provider, '.com'),
    ['/v1/chat/completions', '/v1/messages', '/v1/models/generate'][name % 3 + 1], 'POST', 'chat',
    concat('model-', toString(name)) AS its_model, its_model, its_model, dice % 3 = 0, its_status,
    multiIf(fine, 200, its_status = 'RATE_LIMITED', 429, its_status = 'AUTH_FAILED', 401, 500),
    if(fine, '', lower(its_status)), 0, if(fine, ['stop'], []),
    round(exp(5 + luck + intDiv(dice, 47) % 3001 / 1000), 3),
    if(fine, round(exp(4 + intDiv(dice, 53) % 1999 / 1000), 3), NULL),
    if(fine, asked, NULL), if(fine, answered, NULL), if(dice % 4 = 0 AND fine, intDiv(asked, 2), NULL),
    if(fine, 'provider', 'missing'),
    -- One in fifty is one of a few thousand requests that are sent over and over.
    lower(hex(SHA256(toString(if(dice % 50 = 0, cityHash64(user, intDiv(number, 1000000)) % 5000, number))))),
    lower(hex(SHA256(toString(number + 1)))),
    map('team', concat('team-', toString(team))), input_side, output_side, input_side + output_side,
    if(input_side IS NULL, '', 'USD'), if(input_side IS NULL, '', 'made-up'), if(input_side IS NULL, '', '1'),
    if(input_side IS NULL, 0, name + 1)
FROM numbers({begin:UInt64}, {count:UInt64})
"""
)
_EVENTS: Final = """
INSERT INTO {database:Identifier}.event_log (
    kafka_partition, kafka_offset, appended_at, occurred_at, event_type, payload, payload_sha256)
SELECT
    kafka_partition, 2 * kafka_offset + its_end, appended_at, occurred_at,
    if(its_end, 'llm.call.completed', 'llm.call.started'),
    concat('{"schema_version":"1.0","event_type":"llm.call.', if(its_end, 'completed', 'started'), '","event_id":"',
        event_id, '","occurred_at":"', formatDateTime(occurred_at, '%Y-%m-%dT%H:%i:%S.%fZ'), '","producer_id":"',
        producer_id, '","producer_seq":', toString(2 * producer_seq + its_end), ',"call_id":"', call_id,
        '","logical_call_id":"', logical_call_id, '","trace_id":"', trace_id, '","span_id":"', span_id,
        '","service":"', service, '","environment":"', environment, '","department":"', department, '","feature":"',
        feature, '","session_id":"', session_id, '","user_id":"', user_id, '","request_source":"', request_source,
        '","ip_address":"', ip_address, '","user_agent":"', user_agent, '","api_key_id":"', api_key_id,
        '","api_key_hint":"', api_key_hint, '","provider":"', provider, '","server_address":"', server_address,
        '","endpoint":"', endpoint, '","operation":"chat","request_model":"', request_model, '"',
        if(its_end, concat(',"status":"', status, '","latency_ms":', toString(latency_ms), ',"request_hash":"',
            request_hash, '","response_hash":"', response_hash, '"'), ''), '}') AS its_payload,
    SHA256(its_payload)
FROM {database:Identifier}.calls
ARRAY JOIN [false, true] AS its_end
WHERE appended_at >= fromUnixTimestamp({begin_s:Int64}) AND appended_at < fromUnixTimestamp({end_s:Int64})
"""
# Some that never ended.
_UNFINISHED: Final = """
INSERT INTO {database:Identifier}.event_log (
    kafka_partition, kafka_offset, appended_at, occurred_at, event_type, payload, payload_sha256)
SELECT kafka_partition, kafka_offset + 1000000000000, appended_at, occurred_at, event_type,
    replaceOne(payload, '"call_id":"', '"call_id":"never-') AS its_payload, SHA256(its_payload)
FROM {database:Identifier}.event_log
WHERE event_type = 'llm.call.started' AND kafka_offset % 2000 = 0
"""
# A third of them is recorded a second time, with days of its own.
_MAPPINGS: Final = """
INSERT INTO {database:Identifier}.mappings (
    recorded_at, position, recorded_by, dimension, value, target, target_value, valid_from, valid_until)
SELECT toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + toIntervalDay(again), number, 'benchmark', pair.1, pair.2,
    pair.3, concat(pair.3, '-', toString(cityHash64(pair.2, again) % 30)),
    if(again = 1, today() - 15, toDate('1970-01-01')), toDate('2149-06-06')
FROM
(
    SELECT number, arrayJoin(arrayFilter(pair -> pair.2 != '', [
        ('user_id', concat('user-', toString(number)), 'team'),
        ('user_id', if(number % 3 = 0, concat('user-', toString(number)), ''), 'cost_centre'),
        ('api_key_id', if(number < 400, concat('hmac1:5f2e:', lower(hex(SHA256(toString(number))))), ''), 'department'),
        ('feature', if(number < 120, concat('feature-', toString(number)), ''), 'cost_centre')])) AS pair
    FROM numbers(3000)
)
ARRAY JOIN if(number % 3 = 1, [0, 1], [0]) AS again
"""
_SETTINGS: Final = {
    **ONE_PART,
    "max_insert_block_size": 2 * BLOCK,
    "min_insert_block_size_rows": 2 * BLOCK,
    "max_block_size": 2 * BLOCK,
    "max_threads": 1,
}
"""One part an insert, as the writer's, but larger ones."""
_FILLING: Final = {**_SETTINGS, "max_block_size": 65_536, "max_threads": 2, "optimize_on_insert": 0}
"""What a GROUP BY gave is summed up already; the engine would do so once more, and sketches take it a while."""


def make_calls(settings: Settings, count: int, now: datetime) -> float:
    """Make up so many calls of the 30 days before `now`; return calls a second, merges included."""
    client = connect(settings, timeout_s=PATIENCE_S)
    database = settings.clickhouse_database
    views = [_view(client, database, rollup.table) for rollup in ROLLUPS]
    company = _company(database, count, now)
    client.command(f"CREATE TABLE `{database}`.{_DRAFT} AS `{database}`.calls")
    begin_s = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        filling: Future[None] | None = None
        for begin in range(0, count, STRETCH):
            end = min(begin + STRETCH, count)
            _make_stretch(client, company, begin, end)
            if filling is not None:
                filling.result()
            filling = pool.submit(_fill_rollups, client, company, views, begin, end)
        if filling is not None:
            filling.result()
    client.command(f"DROP TABLE `{database}`.{_DRAFT} SYNC")
    wait_for_merges(settings)
    client.close()
    return count / (time.monotonic() - begin_s)


def _company(database: str, count: int, now: datetime) -> dict[str, str | int | float]:
    first = now - timedelta(days=DAYS)
    window = max(1, math.ceil(count / _BURST_WINDOWS))
    return {
        "database": database,
        "draft": _DRAFT,
        "first": f"{first:%Y-%m-%d %H:%M:%S}",
        "clock": (first.hour + first.minute / 60) / 24,
        "step_us": DAYS * 86_400_000_000 / count,
        "window": window,
        "bursts": max(1, window // _BURST_CALLS),
        "departments": DEPARTMENTS,
    }


def _make_stretch(client: Client, company: dict[str, str | int | float], begin: int, end: int) -> None:
    """Make these calls, and hand them over: parts of another table are taken without a view seeing them."""
    database = f"`{company['database']}`"
    for start in range(begin, end, BLOCK):
        block = {"begin": start, "count": min(BLOCK, end - start)}
        client.command(_CALLS, {**company, **block}, settings=dict(_SETTINGS))
    for month in _months(client, company):
        client.command(f"ALTER TABLE {database}.calls ATTACH PARTITION ID '{month}' FROM {database}.{_DRAFT}")
    client.command(f"TRUNCATE TABLE {database}.{_DRAFT} SYNC")


def _fill_rollups(
    client: Client, company: dict[str, str | int | float], views: Sequence[tuple[str, str, str]], begin: int, end: int
) -> None:
    for table, select, columns in views:
        part = select_from_part(select, "calls", f"kafka_offset >= {begin} AND kafka_offset < {end}")
        client.command(
            f"INSERT INTO `{company['database']}`.{table} ({columns}) SELECT {columns} FROM ({part})",  # noqa: S608  # the view's own
            settings=dict(_FILLING),
        )


def _months(client: Client, company: dict[str, str | int | float]) -> Iterator[str]:
    rows = client.query(
        "SELECT DISTINCT partition_id FROM system.parts "
        "WHERE active AND database = {database:String} AND table = {draft:String}",
        company,
    ).result_rows
    return (month for (month,) in rows)


def _view(client: Client, database: str, table: str) -> tuple[str, str, str]:
    """Return a rollup, the SELECT of its view, and the columns of that."""
    select = client.query(
        "SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}",
        {"database": database, "name": f"{table}_from_calls"},
    ).result_rows[0][0]
    described = client.query(f"DESCRIBE TABLE ({select})").result_rows
    return table, str(select), ", ".join(row[0] for row in described)


def make_events(settings: Settings, now: datetime) -> None:
    """Make up the archive of the calls of the last day, and of a few that never ended."""
    client = connect(settings, timeout_s=PATIENCE_S)
    fixed = {"database": settings.clickhouse_database}
    end_s = int(now.timestamp()) + 60
    for begin_s in range(end_s - 86_400, end_s, _EVENTS_S):
        span = {"begin_s": begin_s, "end_s": min(begin_s + _EVENTS_S, end_s)}
        client.command(_EVENTS, {**fixed, **span}, settings=dict(_SETTINGS))
    client.command(_UNFINISHED, fixed)
    wait_for_merges(settings)
    client.close()


def make_mappings(settings: Settings) -> None:
    """Map the company's users, keys and features."""
    client = connect(settings)
    client.command(_MAPPINGS, {"database": settings.clickhouse_database})
    client.close()


def wait_for_merges(settings: Settings) -> None:
    """Return when the engine has had nothing to merge for a few seconds."""
    client = connect(settings)
    query = "SELECT count() FROM system.merges WHERE database = {database:String}"
    quiet = 0
    while quiet < _QUIET_LOOKS:
        time.sleep(0.5)
        running = client.query(query, {"database": settings.clickhouse_database}).result_rows[0][0]
        quiet = 0 if running else quiet + 1
    client.close()
