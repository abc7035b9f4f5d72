"""Metric phrases: metrics and their values in words."""

from typing import Final

from tokentrail.schemas.rules import Metric

PHRASES: Final[dict[Metric, str]] = {
    "calls": "how many calls were made",
    "retries": "how many calls were another attempt at an earlier one",
    "first_attempts": "how many calls were made, without an SDK's own retries",
    "errors": "how many calls failed",
    "rate_limited": "how many calls the provider refused for their rate (429)",
    "auth_failures": "how many calls were refused for their key (401, 403)",
    "timeouts": "how many calls timed out",
    "connection_errors": "how many calls found no connection",
    "server_errors": "how many calls ended in an error of the provider (5xx)",
    "client_errors": "how many calls ended in an error of the caller's (4xx)",
    "aborted": "how many calls were given up by the caller",
    "unavailable": "how many calls met timeouts, refused connections or server errors",
    "input_tokens": "how many tokens were sent",
    "output_tokens": "how many tokens were generated",
    "tokens": "how many tokens were sent and generated",
    "cache_read_tokens": "how many tokens were read from the provider's cache",
    "cost_usd": "what the calls cost, in US dollars; calls without a known price count 0",
    "clock_skewed": "how many events came with a time that is far off their arrival",
    "lost_calls": "how many calls began and have not ended for 15 minutes",
    "sequence_gaps": "how many events are missing in a producer's numbered sequence",
    "chain_breaks": "how many events do not carry the hash of the event before them",
    "new_users": "how many users it has not seen before",
    "new_ip_addresses": "how many addresses it has not seen before",
    "new_api_keys": "how many keys it has not seen before",
    "new_models": "how many models it has not seen before",
    "error_ratio": "which share of calls failed",
    "rate_limited_ratio": "which share of calls the provider refused for their rate (429)",
    "auth_failure_ratio": "which share of calls was refused for their key (401, 403)",
    "unavailable_ratio": "which share of calls met timeouts, refused connections or server errors",
    "retry_ratio": "which share of calls was another attempt at an earlier one",
    "cache_read_ratio": "which share of the tokens sent was read from the provider's cache",
    "tokens_per_call": "how many tokens a call uses, sent and generated, on average",
    "largest_call_tokens": "how many tokens the largest call used, sent and generated",
    "context_growth_tokens": "by how many tokens a session's input has grown since it was last cut back",
    "latency_p50_ms": "the latency that half of the calls exceed",
    "latency_p95_ms": "the latency that one call in 20 exceeds",
    "latency_p99_ms": "the latency that one call in 100 exceeds",
    "time_to_first_token_p50_ms": "the time to the first token that half of the calls exceed",
    "time_to_first_token_p95_ms": "the time to the first token that one call in 20 exceeds",
    "time_to_first_token_p99_ms": "the time to the first token that one call in 100 exceeds",
    "distinct_users": "how many different users there were",
    "distinct_ip_addresses": "how many different addresses there were",
    "distinct_api_keys": "how many different keys there were",
    "distinct_sessions": "how many different sessions there were",
    "distinct_models": "how many different models there were",
}
"""What a metric measures; ends a sentence that begins with "it measures"."""


def format_value(metric: Metric, value: float) -> str:
    """Return a value of a metric with its unit."""
    if metric.endswith("_ratio"):
        return f"{value:.4g}" if value > 1 else f"{value * 100:.4g} %"
    if metric == "cost_usd":
        return f"{value:,.2f} USD"
    if metric.endswith("_ms"):
        return f"{value:,.0f} ms"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6g}"
