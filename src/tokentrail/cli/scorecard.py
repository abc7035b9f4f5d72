"""`tokentrail scorecard`: what the rules are worth, measured on simulated traffic whose incidents are known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokentrail.cli.output import JsonFlag, err, out, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokentrail.processors.scoring.scorecard import KindScore, Scorecard
    from tokentrail.processors.scoring.seed_score import SeedScore


def scorecard(  # noqa: PLR0913, PLR0917 - options of a command line
    seeds: Annotated[str, typer.Option(help="Seeds, as 1-20 or 3,5,7.")] = "1-20",
    days: Annotated[float, typer.Option(min=1, max=366, help="Days of traffic a seed.")] = 28,
    calls_per_day: Annotated[float, typer.Option(min=100, help="Ordinary calls of an average day.")] = 8_000,
    rules: Annotated[Path | None, typer.Option(help="A rule file, in place of the shipped rules.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Seeds scored at once.")] = 2,
    noise: Annotated[Path | None, typer.Option(help="Write every false alert and finding here, as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the scorecard (.svg, .png); needs tokentrail[plot].")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run rules over simulated traffic with labelled incidents, and report what they found, how fast, and what else."""
    from tokentrail.processors.rules import load_rules
    from tokentrail.processors.scoring.scorecard import add_up

    numbers = parse_seeds(seeds)
    load_rules(rules)  # a mistake in the file is told before minutes of work
    if plot is not None:
        _import_plot()
    scores = list(_score_all(numbers, rules, days, calls_per_day, processes))
    card = add_up(scores)
    if noise is not None:
        import msgspec

        noise.write_bytes(msgspec.json.format(msgspec.json.encode(scores), indent=1))
    if plot is not None:
        _import_plot().draw_scorecard(card, plot)
    if as_json:
        print_json(card)
    else:
        _print(card)


def parse_seeds(text: str) -> list[int]:
    """Read `1-20`, `3,5,7` or both together."""
    try:
        numbers: list[int] = []
        for part in text.split(","):
            first, _, last = part.partition("-")
            numbers.extend(range(int(first), int(last or first) + 1))
    except ValueError:
        raise typer.BadParameter(f"{text!r} names no seeds; write 1-20, or 3,5,7.") from None
    if not numbers:
        raise typer.BadParameter(f"{text!r} names no seeds; write 1-20, or 3,5,7.")
    return numbers


def _score_all(
    seeds: list[int], rules: Path | None, days: float, calls_per_day: float, processes: int
) -> "Iterator[SeedScore]":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    workers = min(processes, len(seeds))
    with (
        Progress(*columns, console=err, disable=not err.is_terminal) as progress,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        task = progress.add_task("Seeds", total=len(seeds))
        for score in pool.map(_score, [(seed, rules, days, calls_per_day) for seed in seeds]):
            progress.advance(task)
            yield score


def _score(job: tuple[int, Path | None, float, float]) -> "SeedScore":
    from tokentrail.processors.rules import load_rules
    from tokentrail.processors.scoring.seed_score import score_seed

    seed, rules, days, calls_per_day = job
    return score_seed(seed, load_rules(rules), days=days, calls_per_day=calls_per_day)


def _print(card: "Scorecard") -> None:
    kinds = ("incident", "found", "recall", "precision", "median s", "p90 s", "windows", "told first by")
    right = kinds[1:-1]
    print_table("Incidents", kinds, map(_kind_row, card.kinds), right)
    print_table(
        "Look-alikes that are harmless",
        ("look-alike", "times", "alerted"),
        [(kind.kind, kind.incidents, kind.found) for kind in card.harmless],
        ("times", "alerted"),
    )
    print_table(
        "Rules",
        ("rule", "incidents", "first", "false alerts"),
        [(rule.rule, rule.incidents, rule.first, rule.noise) for rule in card.rules],
        ("incidents", "first", "false alerts"),
    )
    out.print(
        f"{len(card.seeds)} seeds of {card.days:g} days, {card.calls:,} calls: recall {card.recall:.1%}, "
        f"precision {card.precision:.1%} ({card.false_alerts} of {card.alerts} alerts false), "
        f"{card.false_alerts_per_tenant_day:.4f} false alerts a tenant and day, "
        f"{card.false_alerts_per_entity_week:.5f} an entity and week.",
        soft_wrap=True,
    )


def _kind_row(kind: "KindScore") -> tuple[str, ...]:
    return (
        kind.kind,
        f"{kind.found}/{kind.incidents}",
        f"{kind.recall:.0%}",
        f"{kind.precision:.0%}",
        _number(kind.median_time_to_detect_s),
        _number(kind.p90_time_to_detect_s),
        "" if kind.median_windows_to_detect is None else f"{kind.median_windows_to_detect:.2f}",
        ", ".join(f"{rule} {count}" for rule, count in list(kind.rules.items())[:3]),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _import_plot() -> Any:
    from tokentrail.errors import SettingsError

    try:
        from tokentrail.cli import scorecard_plot
    except ImportError as error:
        raise SettingsError("A plot needs matplotlib: pip install 'tokentrail[plot]'.") from error
    return scorecard_plot
