"""The active OpenTelemetry span: read where the host uses OpenTelemetry, never imported by us."""

import sys
from typing import Any, Final

_API: Final = "opentelemetry.trace"
_modules: Final = sys.modules
_last: tuple[Any, tuple[str, str] | None] = (None, None)
"""The last span context that was asked for, and its ids: those of a span never change."""


def active_span() -> tuple[str, str] | None:
    """Return trace id and span id, as W3C Trace Context writes them (32 and 16 hexadecimal digits).

    None where nobody has imported OpenTelemetry, no span is active, or its context is invalid. May raise what the
    host's OpenTelemetry raises.
    """
    api = _modules.get(_API)
    if api is None:
        return None
    global _last  # noqa: PLW0603 - one tuple, replaced whole: threads see the old or the new one
    context = api.get_current_span().get_span_context()
    last = _last
    if last[0] is context:
        return last[1]
    ids = (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None
    _last = (context, ids)
    return ids
