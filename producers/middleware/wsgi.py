"""WSGI middleware: labels the calls made for a request with who sent it, also while its answer is being produced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.context import context
from tokentrail.producers.guard import guarded
from tokentrail.producers.middleware.client_facts import client_labels, cut
from tokentrail.producers.middleware.request_labels import SOURCE_HEADER, Naming, has_span, name_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Environ = dict[str, Any]
    App = Callable[[Environ, Any], Iterable[bytes]]

_READING: Final = guarded("reading who sent a request")
_HEADERS: Final = ("user-agent", "sec-ch-ua-mobile", "traceparent")


class WSGIMiddleware:
    """As `ASGIMiddleware`, for WSGI applications; the functions `user` and `session` are given the environ.

    The labels are in force while the application runs, and while its answer is iterated and closed. Lists and the
    server's own file wrapper are handed on as they are, since nothing of the application runs in them.

        app.wsgi_app = tokentrail.WSGIMiddleware(app.wsgi_app, user=lambda environ: environ.get("REMOTE_USER"))
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
        self._names = {*_HEADERS, self._source, *(name.lower() for name in (user, session) if isinstance(name, str))}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Run the application, labelled."""
        labels: dict[str, Any] = {}
        with _READING:
            labels = self._labels(environ)
        block = context(**labels)
        with block:
            body = self._app(environ, start_response)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            return body
        return _LabelledBody(body, block)

    def _labels(self, environ: Environ) -> dict[str, Any]:
        headers = {name: environ[key] for name in self._names if (key := _key_of(name)) in environ}
        forwarded_for = environ.get("HTTP_X_FORWARDED_FOR")
        labels: dict[str, Any] = client_labels(
            headers, [forwarded_for] if forwarded_for else [], environ.get("REMOTE_ADDR"),
            source_header=self._source, trusted_hops=self._trusted_hops,
        )  # fmt: skip
        if has_span():
            del labels["trace_id"]
        labels["user_id"] = cut(name_from(self._user, headers, environ))
        labels["session_id"] = cut(name_from(self._session, headers, environ))
        return labels


class _LabelledBody:
    """An answer whose pieces are produced, and which is closed, with the labels in force; between pieces they are not.

    A server may produce the pieces of several answers in one thread, in turn.
    """

    def __init__(self, body: Iterable[bytes], block: context) -> None:
        self._body = body
        self._block = block
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._block:
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with self._block:
                close()


def _key_of(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")
