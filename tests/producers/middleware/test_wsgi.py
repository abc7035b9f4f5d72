"""A request's sender labels the calls made for it, until the last piece of the answer; behind a real server too."""

import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper

import pytest

from tokentrail.producers.context import current_labels
from tokentrail.producers.middleware.wsgi import WSGIMiddleware

ENVIRON = {"REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "curl/8", "HTTP_X_USER": "u-1"}


def call(app: Any, environ: dict[str, Any] | None = None, **options: Any) -> Any:
    return WSGIMiddleware(app, **options)(dict(ENVIRON if environ is None else environ), None)


def labels_of(environ: dict[str, Any], **options: Any) -> dict[str, str]:
    seen: list[dict[str, str]] = []

    def app(_environ: Any, _start: Any) -> list[bytes]:
        seen.append(current_labels())
        return []

    call(app, environ, **options)
    assert current_labels() == {}
    return seen[0]


def test_request_labels_the_calls_made_for_it() -> None:
    environ = {**ENVIRON, "HTTP_X_SESSION": "s-1", "HTTP_X_REQUEST_SOURCE": "mobile"}
    assert labels_of(environ, user="X-User", session="x-session") == {
        "ip_address": "192.0.2.7",
        "user_agent": "curl/8",
        "request_source": "mobile",
        "user_id": "u-1",
        "session_id": "s-1",
    }


def test_user_may_be_found_by_a_function_of_the_environ() -> None:
    assert labels_of({"REMOTE_USER": "u-9"}, user=lambda environ: environ["REMOTE_USER"])["user_id"] == "u-9"
    assert "user_id" not in labels_of({}, user=lambda environ: environ["REMOTE_USER"])


def test_forwarded_address_is_believed_only_behind_trusted_proxies() -> None:
    environ = {**ENVIRON, "HTTP_X_FORWARDED_FOR": "1.1.1.1, 203.0.113.9"}
    assert labels_of(environ)["ip_address"] == "192.0.2.7"
    assert labels_of(environ, trusted_hops=1)["ip_address"] == "203.0.113.9"


def test_an_environ_that_cannot_be_read_is_served_all_the_same() -> None:
    assert labels_of({"HTTP_USER_AGENT": 7}) == {}


def test_labels_hold_while_pieces_are_produced_and_not_in_between() -> None:
    def app(_environ: Any, _start: Any) -> Iterator[bytes]:
        yield current_labels()["user_id"].encode()
        yield current_labels()["user_id"].encode()

    body = call(app, user="x-user")
    for piece in body:
        assert (piece, current_labels()) == (b"u-1", {})


def test_answers_produced_in_turn_in_one_thread_do_not_mix() -> None:
    def app(_environ: Any, _start: Any) -> Iterator[str]:
        yield current_labels()["user_id"]
        yield current_labels()["user_id"]

    bodies = [call(app, {"HTTP_X_USER": user}, user="x-user") for user in ("u-1", "u-2")]
    assert [next(body) for body in [*bodies, *bodies]] == ["u-1", "u-2", "u-1", "u-2"]


def test_answer_is_closed_once_with_its_labels() -> None:
    closed: list[dict[str, str]] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            closed.append(current_labels())

    body = call(lambda *_: Body(), user="x-user")
    assert list(body) == [b"a"]
    body.close()
    assert [labels["user_id"] for labels in closed] == ["u-1"]


def test_an_answer_that_cannot_be_closed_needs_not_be() -> None:
    call(lambda *_: iter([b"a"])).close()


def test_closing_a_generator_early_runs_its_cleanup_with_the_labels() -> None:
    seen: list[str] = []

    def app(_environ: Any, _start: Any) -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            seen.append(current_labels()["user_id"])

    body = call(app, user="x-user")
    next(body)
    body.close()
    assert seen == ["u-1"]


@pytest.mark.parametrize("answer", [[b"a"], (b"a", b"b")])
def test_an_answer_that_is_all_there_is_handed_on_as_it_is(answer: Any) -> None:
    assert call(lambda *_: answer) is answer


def test_the_servers_own_file_wrapper_is_handed_on_as_it_is() -> None:
    import io

    wrapped = FileWrapper(io.BytesIO(b"a"))
    assert call(lambda *_: wrapped, {"wsgi.file_wrapper": FileWrapper}) is wrapped


@pytest.mark.parametrize("late", [False, True])
def test_exception_is_the_applications_own(*, late: bool) -> None:
    error = LookupError()

    def fail() -> Iterator[bytes]:
        raise error
        yield b""

    def app(_environ: Any, _start: Any) -> Iterable[bytes]:
        return fail() if late else list(fail())

    with pytest.raises(LookupError) as raised:
        list(call(app))
    assert raised.value is error


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve(app: Callable[..., Any]) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_behind_a_real_server_a_streamed_answer_is_labelled_to_its_end() -> None:
    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        for name in ("user_id", "ip_address", "user_agent", "request_source"):
            yield current_labels()[name].encode() + b"\n"

    with serve(WSGIMiddleware(app, user="x-user")) as url:
        request = urllib.request.Request(url, headers={"x-user": "u-1", "user-agent": "okhttp/4.12"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - loopback
            assert response.read().decode().split() == ["u-1", "127.0.0.1", "okhttp/4.12", "mobile"]
