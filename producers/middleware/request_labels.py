"""Where a web application says its users and sessions are to be found."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.otel import active_span

Naming = str | Callable[[Any], str | None] | None
"""A header's name, or a function of the request as its server hands it over."""
SOURCE_HEADER: Final = "x-request-source"
_NAMING: Final = guarded("asking the application who sent a request")
_ASKING: Final = guarded("reading the active span")


def name_from(naming: Naming, headers: Mapping[str, str], request: Any) -> object:
    """Return what the header or the function says; None where there is neither, or the function fails."""
    if isinstance(naming, str):
        return headers.get(naming.lower())
    if naming is not None:
        with _NAMING:
            return naming(request)
    return None


def has_span() -> bool:
    """Return whether an OpenTelemetry span is active: then it says which trace this is, better than a header."""
    with _ASKING:
        return active_span() is not None
    return False
