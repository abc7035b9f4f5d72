"""`tokentrail replay`: the alerts that rules would have raised over a stretch of the log."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.alerts import print_alert
from tokentrail.cli.log_sources import Asked, open_stretch
from tokentrail.cli.output import JsonFlag, err, out, print_json_line

if TYPE_CHECKING:
    from tokentrail.cli.log_sources import Stretch
    from tokentrail.cli.replaying import Effort
    from tokentrail.settings import Settings


_From = Annotated[
    str | None,
    typer.Option(
        "--from", help="From then: 90m, 24h, 7d ago, or an ISO time; with --topic also @1200 or @0:1200,1:900."
    ),
]
_To = Annotated[
    str | None, typer.Option("--to", help="Up to then, or before these offsets; else now, or the end of the files.")
]
_Topic = Annotated[str | None, typer.Option(help="Read this topic, e.g. llm.calls, in place of the archive.")]
_File = Annotated[
    list[Path] | None,
    typer.Option(help="Read this file of JSON lines (.gz, .zst too) in place of the archive; again for several."),
]
_Rules = Annotated[Path | None, typer.Option(help="A rule file to try, in place of the active rules.")]
_WarmUp = Annotated[str, typer.Option(help="Learn baselines for so long before --from.")]
_Against = Annotated[
    str | None, typer.Option(help="Tell what differs from the `live` alerts, or from those of another rule file.")
]
_ToTopic = Annotated[str | None, typer.Option(help="Judge nothing: publish the records, as they were, to this topic.")]
_Speed = Annotated[
    float, typer.Option(min=0, help="With --to-topic: so many times as fast as it was; 0: as fast as it goes.")
]
_Yes = Annotated[bool, typer.Option("--yes", help="With --to-topic: to the topic of the live calls, too.")]
_Processes = Annotated[
    int, typer.Option(min=0, max=64, help="How many processes; 0: one for each core, where that is worth it.")
]
_Sift = Annotated[
    bool | None,
    typer.Option(
        "--sift/--no-sift",
        help="Read the log twice, first to find out for whom a rule can fire at all: a long log is done sooner so. "
        "Default: from 200,000 records on.",
        show_default=False,
    ),
]


def replay(  # noqa: PLR0913, PLR0917 - the options of a command
    since: _From = None,
    until: _To = None,
    topic: _Topic = None,
    file: _File = None,
    rules: _Rules = None,
    warm_up: _WarmUp = "1h",
    against: _Against = None,
    to_topic: _ToTopic = None,
    speed: _Speed = 0,
    yes: _Yes = False,
    processes: _Processes = 0,
    sift: _Sift = None,
    as_json: JsonFlag = False,
) -> None:
    """Run rules over a stretch of the log with the code of live detection, and print the alerts; nothing is written."""
    from tokentrail.cli.replaying import Effort
    from tokentrail.settings import current_settings

    settings, effort = current_settings(), Effort(processes, sift)
    asked = Asked(since, until, warm_up, topic, file or [])
    if to_topic is not None:
        from tokentrail.cli.republish import republish

        republish(settings, open_stretch(settings, asked, warm=False), to_topic, speed=speed, yes=yes)
    elif against is not None:
        from tokentrail.cli.replay_difference import tell_difference

        tell_difference(settings, open_stretch(settings, asked), rules, against, effort, as_json=as_json)
    else:
        _tell(settings, open_stretch(settings, asked), rules, effort, as_json=as_json)


def _tell(settings: "Settings", stretch: "Stretch", rules: Path | None, effort: "Effort", *, as_json: bool) -> None:
    from tokentrail.cli.replaying import Told, replay_stretch
    from tokentrail.processors.budget_rules import load_active_rules
    from tokentrail.processors.rules import load_rules

    active = load_rules(rules) if rules else load_active_rules(settings.rules, settings.budgets)
    started = time.perf_counter()
    told, changes, day = Told(), 0, ""
    for alert in replay_stretch(settings, active, stretch, effort, told):
        changes += 1
        if as_json:
            print_json_line(alert)
        else:
            if day != (day := f"{alert.occurred_at:%Y-%m-%d}"):
                out.print(day, style="dim")
            print_alert(alert)
    seconds, counts = time.perf_counter() - started, told.counts
    err.print(
        f"{counts.records:,} records in {seconds:.1f} s: {changes} state changes, {counts.late:,} records late.",
        soft_wrap=True,
    )
