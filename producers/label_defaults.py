"""Labels of a whole process, from its environment: what holds for every call unless the code says otherwise."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

LABELS: Final = (
    "user_id", "session_id", "department", "feature", "request_source", "ip_address", "user_agent", "trace_id",
    "span_id",
)  # fmt: skip
"""The labels that `tokentrail.context` takes, by the names that events have for them."""
TEAM_ATTRIBUTE: Final = "team"
_FROM_ENVIRONMENT: Final = ("user_id", "department", "feature", "request_source")
"""The others belong to a request, not to a process."""
_ATTRIBUTES: Final = "TOKENTRAIL_ATTRIBUTES"
_TEAM: Final = "TOKENTRAIL_TEAM"
VARIABLES: Final = (*(f"TOKENTRAIL_{name.upper()}" for name in _FROM_ENVIRONMENT), _TEAM, _ATTRIBUTES)
"""The variables that are read here; they are no settings of the pipeline."""


def default_labels(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels that `TOKENTRAIL_USER_ID`, `_DEPARTMENT`, `_FEATURE` and `_REQUEST_SOURCE` give."""
    environ = os.environ if environ is None else environ
    found = {name: environ.get(f"TOKENTRAIL_{name.upper()}", "").strip() for name in _FROM_ENVIRONMENT}
    return {name: value for name, value in found.items() if value}


def default_attributes(environ: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """Return the attributes that `TOKENTRAIL_ATTRIBUTES` (`tenant=acme,region=eu`) and `TOKENTRAIL_TEAM` give.

    Values may be percent-encoded, as in OTEL_RESOURCE_ATTRIBUTES
    (https://opentelemetry.io/docs/specs/otel/resource/sdk/). What is no pair is left out.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, str] = {}
    for pair in environ.get(_ATTRIBUTES, "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[name.strip()] = unquote(value.strip())
    if team := environ.get(_TEAM, "").strip():
        found[TEAM_ATTRIBUTE] = team
    return found or None
