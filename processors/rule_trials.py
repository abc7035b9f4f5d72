"""Rule trials: tests of rules, run through the detection core. Pure but for reading the files."""

import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.errors import RuleError
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.made_up_calls import MadeUp, make_calls, parse_span
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import enabled_rules, load_rule_file
from tokentrail.processors.slicing import EventBatch
from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.rule_tests import ExpectedAlert, RuleTest, RuleTestFile
from tokentrail.schemas.rules import Rule, RuleFile

_LATENESS_MS: Final = 1000
_BATCH: Final = 500
_GOES_ON_S: Final = 1800


class Trial(msgspec.Struct, frozen=True):
    """What came of one test."""

    name: str
    alerts: list[Alert]
    """Every state change, in order."""
    missing: list[ExpectedAlert]
    unexpected: list[Alert]
    """Alerts that fired and that nobody expected."""

    @property
    def passed(self) -> bool:
        """Whether all that was expected was told, and nothing else fired."""
        return not self.missing and not self.unexpected


def load_rule_tests(path: Path) -> tuple[RuleTestFile, RuleFile]:
    """Read a file of tests and the rules that it names.

    Raises:
        RuleError: one of the two cannot be read or used; names file and field.
    """
    try:
        tests = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), RuleTestFile)
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"The tests in {path} cannot be read: {error}.") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RuleError(f"{path} is no file of rule tests: {error}.") from error
    return tests, load_rule_file(path.parent / tests.rules if tests.rules else None)


def run_trial(test: RuleTest, rules: RuleFile, cost: CostMeter | None = None) -> Trial:
    """Run one test; without `cost`, calls cost nothing.

    Raises:
        RuleError: the test names a rule or a field that there is not.
    """
    replay = Replay(_choose(test, rules), [0], _LATENESS_MS, cost)
    alerts = list(replay.run(_batches(make_calls(test.calls, test.start)), _end(test)))
    left = [(alert, _moment_s(test, alert)) for alert in alerts]
    missing = []
    for expected in test.expect:
        found = next((pair for pair in left if _fits(expected, *pair)), None)
        if found is None:
            missing.append(expected)
        else:
            left.remove(found)
    unexpected = [alert for alert, _ in left if alert.state is AlertState.FIRING]
    return Trial(test.name, alerts, missing, unexpected)


def _choose(test: RuleTest, rules: RuleFile) -> list[Rule]:
    by_name = {rule.name: rule for rule in rules.rule}
    named = [*test.only, *(expected.rule for expected in test.expect)]
    unknown = sorted(set(named) - set(by_name))
    if unknown:
        raise RuleError(f"test {test.name!r}: there is no rule {', '.join(unknown)}.")
    if not test.only:
        return enabled_rules(rules)
    return [msgspec.structs.replace(by_name[name], enabled=True) for name in sorted(set(test.only))]


def _batches(made: Iterator[MadeUp]) -> Iterator[EventBatch]:
    offset = 0
    held: list[MadeUp] = []
    for record in made:
        held.append(record)
        if len(held) == _BATCH:
            yield _batch(held, offset)
            offset += len(held)
            held = []
    if held:
        yield _batch(held, offset)


def _batch(held: Sequence[MadeUp], offset: int) -> EventBatch:
    return EventBatch(
        0,
        range(offset, offset + len(held)),
        [record.arrived_ms for record in held],
        [record.event for record in held],
        [record.sha256_hex for record in held],
    )


def _end(test: RuleTest) -> datetime:
    if test.until is not None:
        return test.start + timedelta(seconds=parse_span(test.until))
    last = max(parse_span(series.to or series.begin) for series in test.calls)
    return test.start + timedelta(seconds=last + _GOES_ON_S)


def _moment_s(test: RuleTest, alert: Alert) -> float:
    return (alert.occurred_at - test.start).total_seconds()


def _fits(expected: ExpectedAlert, alert: Alert, second: float) -> bool:
    return (
        alert.rule == expected.rule
        and alert.state == expected.state
        and expected.dimension in {None, alert.dimension}
        and expected.entity in {None, alert.entity, alert.entity.replace(SEPARATOR, " / ")}
        and parse_span(expected.after) <= second
        and (expected.before is None or second <= parse_span(expected.before))
    )
