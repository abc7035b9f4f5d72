from collections import Counter

from tokentrail.compose.demo.tenants import FAILURE_RATE, TEAMS, attribute_calls
from tokentrail.processors.simulation.trace import read_trace


def test_the_same_seed_tells_the_same_story() -> None:
    trace = read_trace(limit=500)
    assert list(attribute_calls(trace)) == list(attribute_calls(trace))
    assert list(attribute_calls(trace)) != list(attribute_calls(trace, seed=1))


def test_every_team_gets_about_its_share() -> None:
    counts = Counter(call.attribution.team.department for call in attribute_calls(read_trace()))
    total = sum(counts.values())
    assert all(abs(counts[team.department] / total - team.share) < 0.02 for team in TEAMS)


def test_few_users_make_most_calls_and_none_is_so_rare_that_noise_would_alert() -> None:
    counts = Counter(call.attribution.user_id for call in attribute_calls(read_trace()))
    del counts[None]
    busiest = [count for _, count in counts.most_common()]
    assert sum(busiest[:9]) > sum(busiest) * 0.45
    assert busiest[-1] > 300


def test_conversations_always_have_a_user() -> None:
    calls = attribute_calls(read_trace(limit=2_000))
    assert all(call.attribution.user_id for call in calls if call.trace.workload == "conv")


def test_few_ordinary_calls_fail() -> None:
    failed = sum(call.http_status != 200 for call in attribute_calls(read_trace()))
    assert 0.5 * FAILURE_RATE < failed / 28_185 < 1.5 * FAILURE_RATE


def test_keys_and_users_belong_to_one_team() -> None:
    keys = [team.api_key for team in TEAMS]
    users = [user for team in TEAMS for user in team.users]
    assert len(set(keys)) == len(keys)
    assert len(set(users)) == len(users)
    assert abs(sum(team.share for team in TEAMS) - 1) < 1e-9
