"""`tokentrail backtest`: rules over numbers that come from elsewhere."""

import csv
import statistics
import tomllib
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import typer

from tokentrail.cli.output import JsonFlag, err, out, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokentrail.processors.series_backtest import Score
    from tokentrail.schemas.alerts import Alert
    from tokentrail.schemas.rules import Rule

app = typer.Typer(no_args_is_help=True, help="Try a rule on numbers that come from elsewhere.")

_STEP_S: Final = 5
"""Windows are multiples of this."""
_LOOKED_AT: Final = 1_000
"""Points from which the usual distance of two is taken."""


@app.callback()
def _group() -> None:
    """Keep `series` a command of its own, though it is the only one."""


@app.command()
def series(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[Path, typer.Argument(help="CSV with `time,value` lines in order of time (.gz, .zst too).")],
    rule: Annotated[str | None, typer.Option(help="The rule to run; of --rules or of the active rules.")] = None,
    rules: Annotated[Path | None, typer.Option(help="A rule file, in place of the active rules.")] = None,
    condition: Annotated[
        str | None, typer.Option(help="Instead of a rule, a condition alone: 'type = \"z_score\", z = 4'.")
    ] = None,
    window_s: Annotated[
        int | None, typer.Option("--window-s", min=1, help="The window; else the rule's, or the distance of points.")
    ] = None,
    reduce: Annotated[
        Literal["sum", "mean"] | None,
        typer.Option(help="What points of one window come to; else as the rule's metric does, mean with --condition."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write scores and alerts to this .csv or .json file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a rule's baseline and condition over a series, and tell its alerts."""
    from tokentrail.processors.series import read_series
    from tokentrail.processors.series_backtest import SeriesBacktest

    if (rule is None) == (condition is None):
        raise typer.BadParameter("Give --rule NAME or --condition '…', one of them.")
    if to is not None and to.suffix not in {".csv", ".json"}:
        raise typer.BadParameter(f"--out {to}: the name must end in .csv or .json.")
    chosen = _find_rule(rule, rules) if rule is not None else _make_rule(condition or "", window_s or _distance_s(file))
    if window_s is not None:
        chosen = msgspec.structs.replace(chosen, window_s=window_s)
    adds_up = None if reduce is None else reduce == "sum"
    run = SeriesBacktest(chosen, file.name, adds_up=adds_up, metric="value" if condition is not None else "")
    scores = [run.observe(point) for point in read_series(file)]
    if to is not None:
        _write(to, chosen, scores, run.alerts)
    if as_json:
        print_json(_as_document(chosen, scores, run.alerts))
        return
    for alert in run.alerts:
        out.print(
            f"{alert.occurred_at:%Y-%m-%d %H:%M:%S}  {alert.state:<8}  {alert.severity:<8}  {alert.rule}: ", end=""
        )
        out.print(alert.summary, markup=False, soft_wrap=True)
    fired = sum(1 for alert in run.alerts if alert.state == "firing")
    beyond = sum(1 for score in scores if score.anomalous)
    err.print(f"{len(scores):,} points: {fired} alerts, {beyond:,} points beyond the threshold.", soft_wrap=True)


def _find_rule(name: str, path: Path | None) -> "Rule":
    from tokentrail.errors import RuleError
    from tokentrail.processors.rules import load_rules
    from tokentrail.settings import current_settings

    found = {rule.name: rule for rule in load_rules(path or current_settings().rules)}
    if name not in found:
        raise RuleError(f"There is no rule {name!r}; there are {', '.join(sorted(found))}.")
    return found[name]


def _make_rule(condition: str, window_s: int) -> "Rule":
    """Return a rule on a level, of which nothing is assumed: of a count, chance would be."""
    from tokentrail.errors import RuleError
    from tokentrail.schemas.rules import Rule

    try:
        table = tomllib.loads(f"condition = {{{condition}}}")
        document = {"name": "series", "metric": "tokens_per_call", "by": ["service"], "severity": "WARNING", **table}
        return msgspec.convert({**document, "window_s": _round_up(window_s)}, Rule)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RuleError(
            f'--condition {condition!r} cannot be used: {error}. Write it as in a rule file: type = "z_score", z = 4.'
        ) from error


def _distance_s(file: Path) -> int:
    """Return how far apart points are, usually."""
    from tokentrail.processors.series import read_series

    seconds = [point.second for point in islice(read_series(file), _LOOKED_AT)]
    gaps = [after - before for before, after in pairwise(seconds) if after > before]
    return int(statistics.median(gaps)) if gaps else _STEP_S


def _round_up(window_s: int) -> int:
    return -(-window_s // _STEP_S) * _STEP_S


def _write(path: Path, rule: "Rule", scores: "list[Score]", alerts: "list[Alert]") -> None:
    from tokentrail.errors import SourceError
    from tokentrail.processors.series_backtest import Score
    from tokentrail.schemas.alerts import Alert

    try:
        if path.suffix == ".json":
            path.write_bytes(msgspec.json.format(msgspec.json.encode(_as_document(rule, scores, alerts))) + b"\n")
        else:
            _write_csv(path, Score, scores)
            _write_csv(path.with_suffix(".alerts.csv"), Alert, alerts)
    except OSError as error:
        raise SourceError(f"{path} cannot be written ({error.strerror or error}); choose another --out.") from error


def _write_csv(path: Path, kind: "type[Score | Alert]", rows: "Iterable[Score | Alert]") -> None:
    names = [name for name in kind.__struct_fields__ if name != "evidence"]  # calls: a series has none
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(msgspec.to_builtins(row) for row in rows)


def _as_document(rule: "Rule", scores: "list[Score]", alerts: "list[Alert]") -> dict[str, Any]:
    return {
        "rule": msgspec.to_builtins(rule),
        "scores": [msgspec.to_builtins(score) for score in scores],
        "alerts": [msgspec.to_builtins(alert) for alert in alerts],
    }
