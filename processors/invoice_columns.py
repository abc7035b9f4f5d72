"""Where an invoice's CSV says what: the columns of the exports that are known, and those that a user names.

Known, by their column names:

- OpenAI, Usage page, export of completions usage. Rows are buckets of a minute or a day, one for each project, key,
  model and tier that it was grouped by: start_time, end_time, start_time_iso, end_time_iso, project_id,
  num_model_requests, user_id, api_key_id, model, batch, service_tier, input_tokens, output_tokens,
  input_cached_tokens, input_uncached_tokens, ... The fields are those of
  https://developers.openai.com/api/docs/api-reference/usage (completions usage object): input_tokens includes the
  cached ones. Data is in UTC (https://help.openai.com/en/articles/8554956-understanding-the-usage-dashboard).
- OpenAI, export of costs: start_time, end_time, start_time_iso, end_time_iso, amount_value, amount_currency,
  line_item, project_id, organization_id, ... (costs object of the same page). A line item is a model and what of it is
  billed, "gpt-4o-2024-08-06, input"; it is empty unless the export was grouped by it.
- Anthropic, Console, Usage, export: usage_date_utc, model_version, api_key, workspace, usage_type, context_window,
  usage_input_tokens_no_cache, usage_input_tokens_cache_write_5m, usage_input_tokens_cache_write_1h,
  usage_input_tokens_cache_read, usage_output_tokens, web_search_count, ...
- Anthropic, Console, Cost, export: usage_date_utc, model (a display name, "Claude Sonnet 4.5"), workspace, api_key,
  usage_type, context_window, token_type, cost_usd, cost_type, ...
  (https://support.claude.com/en/articles/9534590-cost-and-usage-reporting-in-the-claude-console)

A map file for everything else (TOML):

    date = "Day"                        # a day, or a moment; with a zone it is taken to UTC, without one it is UTC
    date_format = "%d.%m.%Y"            # optional; ISO without it
    model = "Model"                     # optional
    model_pattern = '^([^,]+)'          # optional; its first group is the model
    input_tokens = ["Prompt", "Cached"] # optional; a column, or several that are added up
    output_tokens = "Completion"        # likewise cache_read_tokens, cache_write_tokens, requests
    cost = "Amount"
    currency = "Currency"               # optional; the column that has to say USD, or with `usd` one other currency
    usd = 1.0853                        # optional; USD for one unit of `cost`
    delimiter = ";"                     # optional; found by itself without it
    decimal = ","                       # optional; the sign before the digits behind the point

    [models]                            # optional; the invoice's names of models by the ledger's
    "GPT 4 omni" = "gpt-4o-2024-08-06"
"""

import re
import tomllib
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.errors import TokentrailError


class InvoiceError(TokentrailError):
    """An invoice or its map file cannot be read; names file, line and column."""


Columns = str | tuple[str, ...]


class InvoiceColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns say what. Of several columns in one place, all are added up."""

    date: str
    date_format: str | None = None
    model: str | None = None
    model_pattern: str | None = None
    requests: Columns = ()
    input_tokens: Columns = ()
    output_tokens: Columns = ()
    cache_read_tokens: Columns = ()
    cache_write_tokens: Columns = ()
    cost: Columns = ()
    currency: str | None = None
    usd: Decimal = Decimal(1)
    delimiter: str | None = None
    decimal: str = "."
    models: dict[str, str] = {}

    def counted(self) -> dict[str, tuple[str, ...]]:
        """Return the columns of numbers, by what they are in a statement."""
        named = {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "cost_usd": self.cost,
        }
        return {name: (one,) if isinstance(one, str) else one for name, one in named.items() if one}


class KnownExport(msgspec.Struct, frozen=True, kw_only=True):
    """An export of a provider, told by the columns that it cannot do without."""

    name: str
    provider: str
    told_by: frozenset[str]
    columns: InvoiceColumns
    display_names: bool = False
    """Models have names for people there, without the date of a snapshot."""


_WRITES: Final = ("usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h")
_READS: Final = "usage_input_tokens_cache_read"
KNOWN_EXPORTS: Final = (
    KnownExport(
        name="OpenAI usage",
        provider="openai",
        told_by=frozenset(("num_model_requests", "input_tokens", "output_tokens", "model")),
        columns=InvoiceColumns(
            date="start_time_iso",
            model="model",
            requests="num_model_requests",
            input_tokens="input_tokens",
            output_tokens="output_tokens",
            cache_read_tokens="input_cached_tokens",
        ),
    ),
    KnownExport(
        name="OpenAI costs",
        provider="openai",
        told_by=frozenset(("amount_value", "amount_currency", "line_item")),
        columns=InvoiceColumns(
            date="start_time_iso",
            model="line_item",
            model_pattern=r"^([^,]+)",
            cost="amount_value",
            currency="amount_currency",
        ),
    ),
    KnownExport(
        name="Anthropic usage",
        provider="anthropic",
        told_by=frozenset(("usage_date_utc", "model_version", "usage_input_tokens_no_cache", "usage_output_tokens")),
        columns=InvoiceColumns(
            date="usage_date_utc",
            model="model_version",
            input_tokens=("usage_input_tokens_no_cache", *_WRITES, _READS),
            output_tokens="usage_output_tokens",
            cache_read_tokens=_READS,
            cache_write_tokens=_WRITES,
        ),
    ),
    KnownExport(
        name="Anthropic cost",
        provider="anthropic",
        told_by=frozenset(("usage_date_utc", "model", "token_type", "cost_usd")),
        columns=InvoiceColumns(date="usage_date_utc", model="model", cost="cost_usd"),
        display_names=True,
    ),
)


def tell_export(headings: Collection[str], provider: str | None = None) -> KnownExport | None:
    """Return the known export with these columns, of this provider where one is named; None where there is none."""
    fitting = (one for one in KNOWN_EXPORTS if provider in (None, one.provider))
    return next((one for one in fitting if one.told_by <= set(headings)), None)


def read_columns(path: Path) -> InvoiceColumns:
    """Read a map file.

    Raises:
        InvoiceError: names the file and what is wrong.
    """
    try:
        columns = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal), InvoiceColumns)
        re.compile(columns.model_pattern or "")
    except OSError as error:
        raise InvoiceError(f"The map file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvoiceError(f"The map file {path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise InvoiceError(f"The map file {path} cannot be used: {error}.") from error
    except re.error as error:
        raise InvoiceError(f"The map file {path}, field model_pattern: {error}.") from error
    for fault in _faults(columns):
        raise InvoiceError(f"The map file {path}, field {fault}.")
    if not columns.counted():
        raise InvoiceError(f'The map file {path} names neither tokens nor cost; give for instance cost = "Amount".')
    return columns


def _faults(columns: InvoiceColumns) -> Iterator[str]:
    if columns.delimiter is not None and (len(columns.delimiter) != 1 or columns.delimiter in '\r\n"'):
        yield f"delimiter: {columns.delimiter!r} is none; give one sign"
    if columns.decimal not in {".", ","}:
        yield f"decimal: {columns.decimal!r} is none; give a point or a comma"
    if not columns.usd.is_finite() or columns.usd <= 0:
        yield f"usd: {columns.usd} is no rate; give what one unit of `cost` is in USD"


def plain_model_name(name: str) -> str:
    """Return what a display name and an id have in common: "Claude Sonnet 4.5", "claude-sonnet-4-5-20250929"."""
    dashed = re.sub(r"[\s._]+", "-", name.strip().casefold())
    return re.sub(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$", "", dashed)
