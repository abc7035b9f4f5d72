"""Calls recorded by hand, retried calls and transports meet in one trail: each call is there once."""

import asyncio
from typing import Any

import httpx2
import pytest

import tokentrail
from tokentrail.producers import trail as process
from tokentrail.producers.captures import capture
from tokentrail.producers.retry import retrying
from tokentrail.producers.transport import wrap_transport

KEY = "sk-proj-Zq81mWc4Tn70LbXe55yR"
ANSWER = {"model": "gpt-x", "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
URL = "https://api.openai.com/v1/chat/completions"


@pytest.fixture
def own(trail: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This process's own trail, kept in memory."""
    monkeypatch.setattr(process, "default_recorder", lambda *_: trail.recorder)
    return trail


def recording(trail: Any, *codes: int) -> Any:
    """Return a recording transport whose server answers with these codes, one after another."""
    left = list(codes)

    def answer(_request: Any) -> httpx2.Response:
        return httpx2.Response(left.pop(0), json=ANSWER)

    return wrap_transport(httpx2.MockTransport(answer), capture(recorder=trail.recorder))


def test_a_call_by_hand_is_in_the_trail_of_this_process(own: Any) -> None:
    with tokentrail.context(user_id="u-1"), tokentrail.call(provider="acme", model="acme-1", api_key=KEY) as call:
        call.usage(input_tokens=100, output_tokens=20)
        call.attributes["note"] = f"made with {KEY}"

    event = own.only
    assert (event.provider, event.request_model, event.user_id, event.status) == ("acme", "acme-1", "u-1", "SUCCESS")
    assert (event.usage.input_tokens, event.usage_source) == (100, "provider")
    assert event.api_key_id == own.started[0].api_key_id
    assert own.started[0].occurred_at <= event.occurred_at
    assert KEY not in str(own.records)


def test_a_transport_inside_a_call_by_hand_records_nothing(own: Any) -> None:
    with httpx2.Client(transport=recording(own, 200, 200)) as client:
        with tokentrail.call(model="by hand"):
            client.post(URL, json={"model": "gpt-x"})
        assert own.only.request_model == "by hand"
        client.post(URL, json={"model": "gpt-x"})
    assert [event.request_model for event in own.completed] == ["by hand", "gpt-x"]


async def test_a_call_by_hand_does_not_hide_what_runs_beside_it(own: Any) -> None:
    inside, done = asyncio.Event(), asyncio.Event()

    @tokentrail.audited(model="by hand")
    async def slow() -> None:
        inside.set()
        await done.wait()

    task = asyncio.create_task(slow())
    await inside.wait()
    with httpx2.Client(transport=recording(own, 200)) as client:
        client.post(URL, json={"model": "gpt-x"})
    done.set()
    await task
    assert {event.request_model for event in own.completed} == {"by hand", "gpt-x"}


def test_each_attempt_is_an_event_with_its_number_and_the_call_it_belongs_to(trail: Any) -> None:
    transport: Any = retrying(recording(trail, 429, 503, 200, 200), 2)
    transport._sleeps = {"sleep": lambda _: None}
    with httpx2.Client(transport=transport) as client:
        for _ in range(2):
            assert client.post(URL, json={"model": "gpt-x"}).status_code == 200

    assert [(event.status, event.retry_count) for event in trail.completed] == [
        ("RATE_LIMITED", 0), ("SERVER_ERROR", 1), ("SUCCESS", 2), ("SUCCESS", 0),
    ]  # fmt: skip
    first, second, third, other = (event.logical_call_id for event in trail.completed)
    assert first == second == third != other
