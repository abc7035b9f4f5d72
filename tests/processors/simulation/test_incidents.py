"""Each label is true: what it says is in the events, and in the time and the entities that it names."""

from collections import Counter
from datetime import timedelta
from statistics import fmean

import pytest
from traffic_survey import BEFORE, Seen, Survey, completed, survey_everything

from tokentrail.processors.simulation.catalogue import MODELS
from tokentrail.processors.simulation.labels import Incident
from tokentrail.processors.simulation.schedule import INCIDENTS, LOOK_ALIKES
from tokentrail.schemas.events import CallCompleted, CallStarted

MINUTE = timedelta(minutes=1)
PRICES = {model.name: (model.input_usd, model.output_usd) for model in MODELS}


@pytest.fixture(scope="module")
def everything() -> Survey:
    return survey_everything()


def cases(everything: Survey, kind: str) -> list[tuple[Incident, list[CallCompleted], list[CallCompleted]]]:
    """Each incident of a kind, what was completed in its time, and what in the two hours before."""
    found = [
        (
            incident,
            completed(seen, incident.start, incident.end),
            completed(seen, incident.start - BEFORE, incident.start),
        )
        for incident, seen in everything.incidents(kind)
    ]
    assert found
    return found


def per_minute(incident: Incident, calls: list[CallCompleted]) -> float:
    return len(calls) / ((incident.end - incident.start) / MINUTE)


def tokens(call: CallCompleted) -> int:
    return (call.usage.input_tokens or 0) + (call.usage.output_tokens or 0) if call.usage else 0


def failed_share(calls: list[CallCompleted]) -> float:
    return fmean(call.status != "SUCCESS" for call in calls)


@pytest.mark.parametrize("kind", [*INCIDENTS, *LOOK_ALIKES])
def test_every_kind_is_there_and_says_whether_it_is_harmless(everything: Survey, kind: str) -> None:
    for incident, seen in everything.incidents(kind):
        assert incident.harmless == (kind in LOOK_ALIKES)
        assert seen
        assert incident.note
        assert incident.start < incident.end
    assert everything.incidents(kind)


def test_a_leaked_key_is_used_from_addresses_that_were_never_seen(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "key_leak"):
        addresses = set(incident.entities["ip_address"])
        assert len(addresses) >= 3
        assert all(everything.address_first_seen[address] >= incident.start for address in addresses)
        assert per_minute(incident, [call for call in calls if call.ip_address in addresses]) >= 4


def test_an_agent_loops_without_a_pause_in_one_session(everything: Survey) -> None:
    for incident, calls, before in cases(everything, "agent_loop"):
        (session,) = incident.entities["session_id"]
        assert per_minute(incident, [call for call in calls if call.session_id == session]) >= 10
        assert per_minute(incident, calls) >= 4 * len(before) / (BEFORE / MINUTE)


def test_a_retry_storm_tries_the_same_failing_calls_many_times(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "retry_storm"):
        assert failed_share(calls) > 0.6
        assert max(Counter(call.logical_call_id for call in calls).values()) >= 8
        assert max(call.retry_count or 0 for call in calls) >= 7
        assert per_minute(incident, calls) >= 20


def test_a_token_spike_is_one_of_tokens(everything: Survey) -> None:
    for incident, calls, before in cases(everything, "token_spike"):
        spent = sum(map(tokens, calls)) / ((incident.end - incident.start) / MINUTE)
        assert spent >= 40_000
        assert spent >= 4 * sum(map(tokens, before)) / (BEFORE / MINUTE)


def test_a_slow_drift_doubles_prompts_without_a_jump(everything: Survey) -> None:
    for incident, calls, before in cases(everything, "slow_drift"):
        fifth = (incident.end - incident.start) / 5
        inputs = [
            [
                call.usage.input_tokens or 0
                for call in calls
                if call.usage and number * fifth <= call.occurred_at - incident.start < (number + 1) * fifth
            ]
            for number in range(5)
        ]
        assert 1.4 < fmean(inputs[4]) / fmean(inputs[0]) < 4
        assert fmean(inputs[0]) < 2 * fmean([call.usage.input_tokens or 0 for call in before if call.usage])


def test_a_leaking_session_grows_from_call_to_call(everything: Survey) -> None:
    for _, calls, _ in cases(everything, "context_leak"):
        ordered = sorted((call for call in calls if call.usage), key=lambda call: call.usage.input_tokens or 0)  # type: ignore[union-attr]  # filtered
        assert ordered[-1].usage is not None
        assert (ordered[-1].usage.input_tokens or 0) >= 55_000
        assert [call.occurred_at for call in ordered[::5]] == sorted(call.occurred_at for call in ordered[::5])


def test_stuffed_prompts_are_above_a_hundred_thousand_tokens(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "prompt_stuffing"):
        (session,) = incident.entities["session_id"]
        stuffed = [call for call in calls if call.session_id == session and call.usage]
        assert stuffed
        assert all((call.usage.input_tokens or 0) > 100_000 for call in stuffed if call.usage)


def test_an_outage_fails_most_calls_of_a_provider_and_few_of_the_others(everything: Survey) -> None:
    for _, calls, before in cases(everything, "provider_outage"):
        assert failed_share(calls) > 0.6
        assert failed_share(before) < 0.1


def test_a_brown_out_fails_or_delays_a_part_of_a_models_calls(everything: Survey) -> None:
    for _, calls, before in cases(everything, "brown_out"):
        slower = fmean([c.latency_ms or 0 for c in calls]) / fmean([c.latency_ms or 0 for c in before])
        assert failed_share(calls) > 0.15 or slower > 2


def test_credentials_are_refused_in_quick_succession(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "credential_stuffing"):
        assert len(calls) >= 6
        assert {call.status for call in calls} == {"AUTH_FAILED"}
        assert per_minute(incident, calls) >= 3


def test_a_flood_repeats_one_request_that_is_no_retry(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "duplicate_flood"):
        assert 5 <= len(calls) <= 50
        assert {call.request_hash for call in calls} == set(incident.entities["request_hash"])
        assert len({call.logical_call_id for call in calls}) == len(calls)
        assert incident.end - incident.start <= timedelta(minutes=5)


def test_a_burnt_budget_is_more_than_a_hundred_dollars_an_hour(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "budget_burn"):
        usd = sum(
            ((call.usage.input_tokens or 0) * PRICES[call.request_model or ""][0]
             + (call.usage.output_tokens or 0) * PRICES[call.request_model or ""][1]) / 1e6
            for call in calls if call.usage
        )  # fmt: skip
        assert usd / ((incident.end - incident.start) / timedelta(hours=1)) > 95
        assert all(tokens(call) < 110_000 for call in calls)


def test_a_surge_is_of_many_people(everything: Survey) -> None:
    for incident, calls, before in cases(everything, "department_surge"):
        assert per_minute(incident, calls) > 2.5 * len(before) / (BEFORE / MINUTE)
        busiest = Counter(call.user_id for call in calls).most_common(1)[0][1]
        assert busiest < 0.6 * len(calls)


def test_a_skewed_clock_shows_in_what_a_service_says_and_not_in_when_it_comes(everything: Survey) -> None:
    for incident, seen in everything.incidents("clock_skew"):
        skewed = [one for one in seen if _off_s(one) > 300]
        assert all(incident.start - MINUTE < one.arrived < incident.end for one in skewed)
        assert any(one.arrived > incident.start + 60 * MINUTE for one in skewed)
        assert all(
            one in skewed for one in seen if incident.start + MINUTE < one.arrived < incident.start + 100 * MINUTE
        )
        assert all(one.event.occurred_at <= incident.end + MINUTE for one in skewed)


def test_what_is_lost_is_lost_where_the_label_says(everything: Survey) -> None:
    named = {
        producer for incident, _ in everything.incidents("lost_calls") for producer in incident.entities["producer_id"]
    }
    end = everything.simulation.start + timedelta(days=everything.simulation.days)
    lost = {
        call.producer_id for call in everything.open_calls.values() if call.occurred_at < end - timedelta(minutes=5)
    }
    damaged = {*everything.gaps, *everything.breaks, *lost}
    assert damaged <= named
    for incident, _ in everything.incidents("lost_calls"):
        assert damaged & set(incident.entities["producer_id"])


def test_only_wrong_keys_and_stuffing_are_refused(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "wrong_key"):
        refused = [call for call in calls if call.status == "AUTH_FAILED"]
        assert 1 <= len(refused) <= 2, incident.note


def test_a_long_chat_is_truncated(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "long_chat"):
        (session,) = incident.entities["session_id"]
        chat = [call for call in calls if call.session_id == session]
        assert len(chat) >= 35
        assert all(tokens(call) < 26_000 for call in chat)


def test_nightly_jobs_run_from_the_first_night_on(everything: Survey) -> None:
    nights = Counter(incident.entities["user_id"][0] for incident, _ in everything.incidents("night_batch"))
    assert set(nights.values()) <= {3, 4}


def test_a_launch_makes_nobody_extreme(everything: Survey) -> None:
    for incident, calls, _ in cases(everything, "launch_day"):
        busiest = max(
            Counter((call.user_id, call.occurred_at.replace(second=0, microsecond=0)) for call in calls).values()
        )
        assert busiest < 60, incident.note


def _off_s(one: Seen) -> float:
    event: CallStarted | CallCompleted = one.event
    return abs((one.arrived - event.occurred_at).total_seconds())
