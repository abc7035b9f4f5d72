"""What a provider says to a key: one request for its models, and what the answer means."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final
from urllib.parse import urlsplit

import msgspec

from tokentrail.producers.doctor.connections import TIMEOUT_S
from tokentrail.producers.doctor.findings import Finding, broken, doubtful, well
from tokentrail.producers.doctor.targets import BEARER, Target

_MAX_BYTES: Final = 4_194_304
_SHOWN: Final = 5
_SKEW_TOLERATED_S: Final = 2.0
_SKEW_BAD_S: Final = 60.0
_SUCCESS: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_SERVER_ERRORS: Final = range(500, 600)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer, whatever its status. `headers` has lower-case names; `asked` and `came` are UTC."""

    code: int
    headers: dict[str, str]
    body: bytes
    asked: datetime
    came: datetime


def ask(target: Target, key: str | None, timeout_s: float = TIMEOUT_S) -> Answer:
    """Send one request with the key and return what comes back. Proxies are those of the environment.

    Redirects are not followed: the key would go to whoever they name.

    Raises:
        OSError: no answer came.
    """
    headers = {"user-agent": "tokentrail-doctor", "accept": "application/json", **target.headers}
    if key is not None:
        headers[target.key_header] = f"Bearer {key}" if target.key_header == BEARER else key
    request = urllib.request.Request(target.url, headers=headers)  # noqa: S310 - the scheme was looked at
    asked = datetime.now(UTC)
    began = time.monotonic()
    try:
        response = urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        # The time on this machine's clock may be set in between: what has passed is measured by another.
        came = asked + timedelta(seconds=time.monotonic() - began)
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(code=response.status, headers=found, body=_read(response), asked=asked, came=came)


def judge(target: Target, answer: Answer) -> Iterator[Finding]:
    """Yield what the status says of key and address, and which models there are."""
    ms = round((answer.came - answer.asked).total_seconds() * 1000, 1)
    code = 401 if b"API_KEY_INVALID" in answer.body else answer.code  # Gemini's word for it, under 400
    if code in _SUCCESS:
        yield well(target.name, "auth", f"The request is accepted ({code}, {ms} ms).", ms=ms)
        yield _judge_models(target, answer.body)
    elif code in _REDIRECTS:
        host = urlsplit(answer.headers.get("location", "")).hostname or "another path"
        yield broken(
            target.name, "auth", f"{target.host} redirects to {host} ({code}).",
            "Use the final address as base URL: SDKs may not follow, and a key should not.", ms=ms,
        )  # fmt: skip
    elif code in _MEANINGS:
        report, what, advice = _MEANINGS[code]
        yield report(target.name, "auth", f"{what} ({answer.code}).", advice, ms=ms)
    elif code in _SERVER_ERRORS:
        yield doubtful(
            target.name,
            "auth",
            f"{target.host} has trouble of its own ({code}).",
            "Try later; see its status page.",
            ms=ms,
        )
    else:
        yield doubtful(target.name, "auth", f"{target.host} answers with {code}.", "Check the base URL.", ms=ms)


def judge_clock(about: str, answer: Answer) -> Finding | None:
    """Return how far this machine's clock is from the server's; None where the server does not tell its time."""
    if "age" in answer.headers:  # from a cache: the date is that of the copy
        return None
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError):
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    middle = answer.asked + (answer.came - answer.asked) / 2
    # The header has whole seconds, cut off: on average half a second is missing.
    skew_s = round((middle - told).total_seconds() - 0.5, 1)
    if abs(skew_s) <= _SKEW_TOLERATED_S + (answer.came - answer.asked).total_seconds() / 2:
        return well(about, "clock", f"This machine's clock agrees with {about}'s to {abs(skew_s)} s.", skew_s=skew_s)
    direction = "ahead of" if skew_s > 0 else "behind"
    report = doubtful if abs(skew_s) <= _SKEW_BAD_S else broken
    return report(
        about, "clock", f"This machine's clock is {abs(skew_s)} s {direction} {about}'s.",
        "Turn on NTP: events are placed by this clock, and late ones are left out of live detection.", skew_s=skew_s,
    )  # fmt: skip


def _judge_models(target: Target, body: bytes) -> Finding:
    models = read_models(body)
    if models is None:
        if target.path.endswith("/models") or "/models?" in target.path:
            return doubtful(
                target.name, "models", f"{target.host} answers, but with no list of models.",
                "Check the base URL; some providers want /v1 at its end.",
            )  # fmt: skip
        return well(target.name, "models", "Its list of models says nothing of the key, and was not asked for.")
    if not models:
        return doubtful(
            target.name, "models", "The key may use no model.", "Look at the project's permissions and quotas."
        )
    more = f", … (all {len(models)} with --json)" if len(models) > _SHOWN else ""
    shown = ", ".join(models[:_SHOWN])
    return well(target.name, "models", f"{len(models)} models: {shown}{more}.", models=models)


def read_models(body: bytes) -> list[str] | None:
    """Return the names in a list of models, sorted; None where the body is no such list."""
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    items = document
    if isinstance(document, dict):
        items = document.get("data", document.get("models"))
    if not isinstance(items, list):
        return None
    names = (item.get("id") or item.get("name") for item in items if isinstance(item, Mapping))
    # A server of anybody's: what it sends is shown on a terminal.
    return sorted({name.removeprefix("models/") for name in names if isinstance(name, str) and name.isprintable()})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _read(response: IO[bytes]) -> bytes:
    try:
        return response.read(_MAX_BYTES)
    except OSError:
        return b""


_MEANINGS: Final = {
    401: (broken, "The key is refused", "It is mistyped, revoked, expired, or of another account, region or endpoint."),
    402: (broken, "The account has no credit", "Add credit, or set a spending limit that is not reached."),
    403: (
        broken, "The key is known, and not allowed to do this",
        "Look at its permissions and project, at the account's list of allowed addresses, and at the countries served.",
    ),
    404: (doubtful, "There is no list of models", "Check the base URL; some providers want /v1 at its end."),
    407: (broken, "A proxy in between wants to know who you are", "Put user and password into HTTPS_PROXY."),
    429: (doubtful, "The key is known, and over its limit", "Wait, or look at the account's limits and credit."),
}  # fmt: skip
