"""`tokentrail rules`: check a rule file, list and explain its rules, and test them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.processors.rule_trials import Trial
    from tokentrail.schemas.rule_tests import ExpectedAlert
    from tokentrail.schemas.rules import Rule

app = typer.Typer(no_args_is_help=True, help="What detection looks for: check, list, explain and test rules.")
_File = Annotated[
    Path | None, typer.Argument(help="A rule file; without it, the one that the setting `rules` names, or the shipped.")
]
_FileOption = Annotated[Path | None, typer.Option("--file", help="A rule file, in place of the active rules.")]


@app.command()
def check(file: _File = None, as_json: JsonFlag = False) -> None:
    """Check a rule file: every mistake as file:line: rule, field: message. Exit status 1 if there is one."""
    from tokentrail.processors.rules import check_rules, name_source, read_rule_text

    path = file or _active_file()
    found, mistakes = check_rules(read_rule_text(path), name_source(path))
    if as_json:
        print_json(mistakes)
    elif mistakes:
        for mistake in mistakes:
            out.print(str(mistake), markup=False, soft_wrap=True)
    else:
        enabled = sum(rule.enabled for rule in found.rule)
        windows = f", {len(found.maintenance)} maintenance windows" if found.maintenance else ""
        out.print(f"{name_source(path)}: {len(found.rule)} rules, {enabled} enabled{windows}.", soft_wrap=True)
    if mistakes:
        raise typer.Exit(1)


@app.command("list")
def list_rules(
    file: _File = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print the file itself, to copy and change.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the rules, disabled ones too."""
    from tokentrail.processors.rule_explanation import describe_condition, format_span, name_entities
    from tokentrail.processors.rules import load_rule_file, name_source, read_rule_text, version_rule

    path = file or _active_file()
    if toml:
        out.file.write(read_rule_text(path))
        return
    rules = load_rule_file(path).rule
    if as_json:
        print_json([{**_as_document(rule), "version": version_rule(rule)} for rule in rules])
        return
    rows = [
        (
            rule.name if rule.enabled else f"{rule.name} (disabled)",
            rule.severity.value,
            name_entities(rule),
            f"{rule.metric} in {format_span(rule.window_s)} {describe_condition(rule)}",
        )
        for rule in rules
    ]
    print_table(f"Rules of {name_source(path)}", ("rule", "severity", "by", "fires when"), rows)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="A rule's name.")], file: _FileOption = None, as_json: JsonFlag = False
) -> None:
    """Say in words what a rule measures, on whom, when it fires, what it learns, and what its alert says."""
    from tokentrail.processors.rule_explanation import explain_rule
    from tokentrail.processors.rules import version_rule

    rule = _find(name, file or _active_file())
    paragraphs = explain_rule(rule)
    if as_json:
        print_json({"name": rule.name, "version": version_rule(rule), **dict(paragraphs)})
        return
    disabled = "" if rule.enabled else ", disabled"
    out.print(f"[bold]{rule.name}[/]  {rule.severity.value}, version {version_rule(rule)}{disabled}\n", soft_wrap=True)
    width = max(len(paragraph.title) for paragraph in paragraphs)
    for title, text in paragraphs:
        out.print(f"[bold]{title:<{width}}[/]  ", end="")
        out.print(text, markup=False, soft_wrap=True)


@app.command("test")
def run_tests(
    file: Annotated[Path, typer.Argument(help="A file of tests: made-up calls, and the alerts that they must raise.")],
    as_json: JsonFlag = False,
) -> None:
    """Run tests of rules through detection itself. Exit status 1 if one fails."""
    from tokentrail.processors.call_cost import CostMeter
    from tokentrail.processors.price_sources import open_price_book
    from tokentrail.processors.rule_trials import load_rule_tests, run_trial
    from tokentrail.settings import current_settings

    tests, rules = load_rule_tests(file)
    cost = CostMeter(open_price_book(current_settings()))
    trials = []
    for each in tests.test:
        trials.append(run_trial(each, rules, cost))
        if not as_json:
            _print_trial(trials[-1])
    failed = sum(not trial.passed for trial in trials)
    if as_json:
        print_json([{**_as_document(trial), "passed": trial.passed} for trial in trials])
    else:
        out.print(f"{len(trials) - failed} passed, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def _print_trial(trial: "Trial") -> None:
    out.print("[green]ok    [/]" if trial.passed else "[bold red]FAILED[/]", end="  ")
    out.print(trial.name, markup=False, soft_wrap=True)
    for expected in trial.missing:
        out.print(f"        not told: {_describe(expected)}", markup=False, soft_wrap=True)
    for alert in trial.unexpected:
        text = f"{alert.occurred_at:%m-%d %H:%M:%S}  {alert.rule}: {alert.summary}"
        out.print(f"        not expected: {text}", markup=False, soft_wrap=True)


def _describe(expected: "ExpectedAlert") -> str:
    whom = " ".join(part for part in (expected.dimension, expected.entity) if part)
    when = f" after {expected.after}" + (f" and before {expected.before}" if expected.before else "")
    return f"{expected.rule} {expected.state}{' of ' + whom if whom else ''}{when}"


def _find(name: str, path: Path | None) -> "Rule":
    from difflib import get_close_matches

    from tokentrail.errors import RuleError
    from tokentrail.processors.rules import load_rule_file, name_source

    rules = {rule.name: rule for rule in load_rule_file(path).rule}
    if name not in rules:
        near = get_close_matches(name, rules, n=1)
        hint = f"did you mean {near[0]}?" if near else "`tokentrail rules list` names them."
        raise RuleError(f"There is no rule {name!r} in {name_source(path)}; {hint}")
    return rules[name]


def _active_file() -> Path | None:
    from tokentrail.settings import current_settings

    return current_settings().rules


def _as_document(value: object) -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(value)
    return document
