"""A request's sender labels the calls made for it; everything else about the application stays as it was."""

import asyncio
from typing import Any

import pytest

from tokentrail.producers.context import context, current_labels
from tokentrail.producers.middleware.asgi import ASGIMiddleware

TRACE = "0af7651916cd43dd8448eb211c80319c"


def scope(kind: str = "http", client: Any = ("192.0.2.7", 4711), **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": kind, "client": client, "headers": raw}


async def labels_of(given: dict[str, Any], **options: Any) -> dict[str, str]:
    seen: list[dict[str, str]] = []

    async def app(*_: Any) -> None:
        await asyncio.sleep(0)
        seen.append(current_labels())

    await ASGIMiddleware(app, **options)(given, None, None)
    assert current_labels() == {}
    return seen[0]


async def test_request_labels_the_calls_made_for_it() -> None:
    given = scope(
        user_agent="Mozilla/5.0", x_user="u-1", x_session="s-1", traceparent=f"00-{TRACE}-b7ad6b7169203331-01"
    )
    assert await labels_of(given, user="X-User", session="x-session") == {
        "ip_address": "192.0.2.7",
        "user_agent": "Mozilla/5.0",
        "request_source": "web",
        "trace_id": TRACE,
        "user_id": "u-1",
        "session_id": "s-1",
    }


async def test_websocket_is_labelled_too() -> None:
    assert (await labels_of(scope("websocket")))["ip_address"] == "192.0.2.7"


async def test_lifespan_is_passed_on_untouched() -> None:
    given = {"type": "lifespan", "state": {}}
    seen: list[Any] = []

    async def app(*received: Any) -> None:
        seen.append((received, current_labels()))

    await ASGIMiddleware(app, user="x-user")(given, "receive", "send")
    assert seen == [((given, "receive", "send"), {})]
    assert seen[0][0][0] is given


async def test_user_may_be_found_by_a_function_of_the_scope() -> None:
    given = {**scope(), "user": "u-9"}
    assert (await labels_of(given, user=lambda found: found["user"]))["user_id"] == "u-9"


async def test_a_function_that_fails_costs_the_user_only() -> None:
    labels = await labels_of(scope(user_agent="curl/8"), user=lambda found: found["nobody"])
    assert labels == {"ip_address": "192.0.2.7", "user_agent": "curl/8", "request_source": "api"}


async def test_forwarded_address_is_believed_only_behind_trusted_proxies() -> None:
    given = scope(x_forwarded_for="203.0.113.9")
    assert (await labels_of(given))["ip_address"] == "192.0.2.7"
    assert (await labels_of(given, trusted_hops=1))["ip_address"] == "203.0.113.9"


async def test_every_line_of_the_forwarded_header_counts() -> None:
    given = scope()
    given["headers"] = [(b"X-Forwarded-For", b"203.0.113.9"), (b"x-forwarded-for", b"10.0.0.2")]
    assert (await labels_of(given, trusted_hops=2))["ip_address"] == "203.0.113.9"


@pytest.mark.parametrize("client", [None, ("", 0)])
async def test_a_peer_without_an_address_is_none(client: Any) -> None:
    assert "ip_address" not in await labels_of(scope(client=client))


async def test_a_scope_that_cannot_be_read_is_served_all_the_same() -> None:
    assert await labels_of({"type": "http", "headers": [("text", None)]}) == {}


async def test_source_may_be_named_in_a_header_of_the_users_choice() -> None:
    assert (await labels_of(scope(x_app="mobile"), source="X-App"))["request_source"] == "mobile"


async def test_active_span_says_which_trace_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.producers.middleware.request_labels.active_span", lambda: ("t", "s"))
    assert "trace_id" not in await labels_of(scope(traceparent=f"00-{TRACE}-b7ad6b7169203331-01"))


async def test_labels_hold_while_the_answer_is_streamed_and_in_tasks_it_starts() -> None:
    seen: list[dict[str, str]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for _ in range(2):
            await send(current_labels())
        await asyncio.create_task(send(current_labels()))

    async def send(labels: dict[str, str]) -> None:
        seen.append(labels)

    await ASGIMiddleware(app, user="x-user")(scope(x_user="u-1"), None, send)
    assert [labels["user_id"] for labels in seen] == ["u-1"] * 3


async def test_requests_side_by_side_do_not_mix() -> None:
    seen: dict[str, str] = {}

    async def app(given: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0)
        seen[given["number"]] = current_labels()["user_id"]

    wrapped = ASGIMiddleware(app, user=lambda found: f"u-{found['number']}")
    await asyncio.gather(*(wrapped({**scope(), "number": str(each)}, None, None) for each in range(20)))
    assert seen == {str(each): f"u-{each}" for each in range(20)}


async def test_outer_labels_stay_where_the_request_says_nothing() -> None:
    with context(feature="chat", user_id="batch"):
        seen: list[dict[str, str]] = []

        async def app(*_: Any) -> None:
            seen.append(current_labels())

        await ASGIMiddleware(app, user="x-user")(scope(), None, None)
        assert (seen[0]["feature"], seen[0]["user_id"]) == ("chat", "batch")


async def test_exception_is_the_applications_own() -> None:
    error = LookupError()

    async def app(*_: Any) -> None:
        raise error

    with pytest.raises(LookupError) as raised:
        await ASGIMiddleware(app)(scope(), None, None)
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
