"""The providers and models that made-up companies use. Prices are rough: they only size an incident."""

from typing import Final

import msgspec


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's endpoint, named as the shims name it."""

    provider: str
    server_address: str
    endpoint: str
    key_hint: str
    rate_limited: str
    """`error_type` of a 429."""
    overloaded_status: int


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `share` is how often a company that uses its provider picks it."""

    name: str
    vendor: int
    """Index into `VENDORS`."""
    share: float
    input_usd: float
    """USD per million tokens, as is `output_usd`."""
    output_usd: float
    context_tokens: int
    write_ms: float
    """Per output token."""
    error_rate: float
    """Of a quiet day."""


VENDORS: Final = (
    Vendor(
        provider="openai",
        server_address="api.openai.com",
        endpoint="/v1/chat/completions",
        key_hint="sk-proj-…",
        rate_limited="rate_limit_exceeded",
        overloaded_status=503,
    ),
    Vendor(
        provider="anthropic",
        server_address="api.anthropic.com",
        endpoint="/v1/messages",
        key_hint="sk-ant-…",
        rate_limited="rate_limit_error",
        overloaded_status=529,
    ),
    Vendor(
        provider="gcp.gemini",
        server_address="generativelanguage.googleapis.com",
        endpoint="/v1beta/models:generateContent",
        key_hint="AIza…",
        rate_limited="RESOURCE_EXHAUSTED",
        overloaded_status=503,
    ),
)
OPENAI, ANTHROPIC, GEMINI = range(3)


def _model(  # noqa: PLR0913, PLR0917 - a row of the table below
    name: str, vendor: int, share: float, usd: tuple[float, float], context_tokens: int, write_ms: float, errors: float
) -> Model:
    return Model(
        name=name,
        vendor=vendor,
        share=share,
        input_usd=usd[0],
        output_usd=usd[1],
        context_tokens=context_tokens,
        write_ms=write_ms,
        error_rate=errors,
    )


MODELS: Final = (
    _model("gpt-4.1-mini", OPENAI, 0.5, (0.4, 1.6), 1_000_000, 9, 0.008),
    _model("gpt-4.1", OPENAI, 0.3, (2, 8), 1_000_000, 14, 0.010),
    _model("gpt-4o-mini", OPENAI, 0.15, (0.15, 0.6), 128_000, 10, 0.006),
    _model("gpt-5", OPENAI, 0.05, (1.25, 10), 400_000, 18, 0.014),
    _model("claude-sonnet-4-5", ANTHROPIC, 0.6, (3, 15), 200_000, 15, 0.015),
    _model("claude-haiku-4-5", ANTHROPIC, 0.36, (1, 5), 200_000, 8, 0.012),
    _model("claude-opus-4-1", ANTHROPIC, 0.04, (15, 75), 200_000, 26, 0.025),
    _model("gemini-2.5-flash", GEMINI, 0.75, (0.3, 2.5), 1_000_000, 6, 0.009),
    _model("gemini-2.5-pro", GEMINI, 0.25, (1.25, 10), 1_000_000, 14, 0.016),
)
MODELS_OF: Final = tuple(tuple(i for i, m in enumerate(MODELS) if m.vendor == v) for v in range(len(VENDORS)))
DEAREST_OF: Final = tuple(
    max(models, key=lambda i: MODELS[i].input_usd * 10 + MODELS[i].output_usd) for models in MODELS_OF
)
"""Per vendor, what a runaway bill runs on."""
LONGEST_OF: Final = tuple(
    max(models, key=lambda i: (MODELS[i].context_tokens, MODELS[i].share)) for models in MODELS_OF
)
"""Per vendor, what takes the longest prompts."""
