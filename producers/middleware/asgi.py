"""ASGI middleware: labels the calls made for a request or a websocket with who sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.context import context
from tokentrail.producers.guard import guarded
from tokentrail.producers.middleware.client_facts import client_labels, cut
from tokentrail.producers.middleware.request_labels import SOURCE_HEADER, Naming, has_span, name_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    App = Callable[[Scope, Any, Any], Awaitable[None]]

_READING: Final = guarded("reading who sent a request")
_LABELLED: Final = frozenset(("http", "websocket"))


class ASGIMiddleware:
    """Labels every call made for a request with user agent, address, source, user, session and trace of its sender.

    `user` and `session` say where to find them: the name of a header, or a function that is given the scope and
    returns a text or None. `source` is the header in which a client names itself web, mobile, api or internal; without
    it that is guessed. `trusted_hops` is the number of proxies of yours in front that add to X-Forwarded-For; with 0
    the address is the peer's, and the header, which anybody can write, is not looked at.

    Headers can be made up by whoever sends them: take user and session from one only where a proxy of yours sets it.
    Lifespan, messages and exceptions pass untouched. Costs some 40 µs a request, waits for nothing, raises nothing.

        app.add_middleware(tokentrail.ASGIMiddleware, user="x-user-id", trusted_hops=1)
    """

    def __init__(
        self,
        app: App,
        *,
        user: Naming = None,
        session: Naming = None,
        source: str = SOURCE_HEADER,
        trusted_hops: int = 0,
    ) -> None:
        self._app = app
        self._user = user
        self._session = session
        self._source = source.lower()
        self._trusted_hops = trusted_hops

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Run the application, labelled."""
        if scope["type"] not in _LABELLED:
            await self._app(scope, receive, send)
            return
        labels: dict[str, Any] = {}
        with _READING:
            labels = self._labels(scope)
        with context(**labels):
            await self._app(scope, receive, send)

    def _labels(self, scope: Scope) -> dict[str, Any]:
        headers: dict[str, str] = {}
        forwarded_for: list[str] = []
        for name, value in scope.get("headers") or ():
            lower, text = name.decode("latin-1").lower(), value.decode("latin-1")
            if lower == "x-forwarded-for":
                forwarded_for.append(text)
            headers.setdefault(lower, text)
        client = scope.get("client")
        labels: dict[str, Any] = client_labels(
            headers, forwarded_for, client[0] if client else None,
            source_header=self._source, trusted_hops=self._trusted_hops,
        )  # fmt: skip
        if has_span():
            del labels["trace_id"]
        labels["user_id"] = cut(name_from(self._user, headers, scope))
        labels["session_id"] = cut(name_from(self._session, headers, scope))
        return labels
