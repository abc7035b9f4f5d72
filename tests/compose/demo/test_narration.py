import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tokentrail.compose.demo.narration import Narrator
from tokentrail.compose.demo.verdict import HeardAlert
from tokentrail.schemas.alerts import Alert, AlertState, Severity

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def narrate(*, terminal: bool = False) -> tuple[Narrator, io.StringIO]:
    screen = io.StringIO()
    return Narrator(
        Console(file=screen, width=60, force_terminal=terminal), {"hmac1:abc": "sk-…80af (Finance)"}
    ), screen


def hear(state: AlertState) -> HeardAlert:
    alert = Alert(
        alert_id="a", revision=1, state=state, rule="token_spike", rule_version="1", severity=Severity.MEDIUM,
        dimension="api_key_id", entity="hmac1:abc", metric="tokens", value=2, baseline=1, threshold=1, window_s=60,
        started_at=NOW, occurred_at=NOW, evidence=[], summary="api_key_id hmac1:abc used 9 [tokens]",
        recommendation="Look at it.", action_required=False,
    )  # fmt: skip
    return HeardAlert(alert, NOW)


def test_without_a_terminal_a_step_is_a_line_at_its_start_and_one_at_its_end_and_nothing_is_cut() -> None:
    narrator, screen = narrate()
    with narrator.step("history", "A long title that is wider than the screen of sixty characters is") as step:
        step.tell("half")
        step.result = "done"
    lines = screen.getvalue().splitlines()
    assert lines[0].startswith("▸ A long title")
    assert lines[1].startswith("✓ A long title")
    assert ": done (" in lines[1]
    assert len(lines) == 2
    assert list(narrator.seconds) == ["history"]


def test_on_a_terminal_progress_is_shown_in_place() -> None:
    narrator, screen = narrate(terminal=True)
    with narrator.step("live", "Live calls") as step:
        step.tell("half")
    assert "✓" in screen.getvalue()


def test_what_is_told_after_a_step_has_ended_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.compose.demo.narration._PLAIN_EVERY_S", 0.0)
    narrator, screen = narrate()
    with narrator.step("live", "Live calls") as step:
        step.tell("half [of it]")
    step.tell("later")
    assert "half [of it]" in screen.getvalue()
    assert "later" not in screen.getvalue()


def test_a_step_that_fails_gets_no_tick() -> None:
    narrator, screen = narrate()
    with pytest.raises(ValueError, match="broken"), narrator.step("live", "Live calls"):
        raise ValueError("broken")
    assert "✓" not in screen.getvalue()


def test_an_alert_is_told_with_its_severity_its_recommendation_and_a_name_people_can_read() -> None:
    narrator, screen = narrate()
    narrator.alert(hear(AlertState.FIRING))
    assert "▲ MEDIUM token_spike api_key_id sk-…80af (Finance) used 9 [tokens]" in screen.getvalue()
    assert "→ Look at it." in screen.getvalue()


def test_a_resolved_alert_is_told_too_and_an_update_is_not() -> None:
    narrator, screen = narrate()
    narrator.alert(hear(AlertState.UPDATED))
    assert not screen.getvalue()
    narrator.alert(hear(AlertState.RESOLVED))
    assert "▽ resolved token_spike api_key_id sk-…80af (Finance)" in screen.getvalue()
