import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tokentrail.compose.demo.summary import Summary, conclude, summarize_run, tabulate_summary, write_summary
from tokentrail.compose.demo.verdict import Verdict
from tokentrail.errors import SettingsError

CLEAN = Verdict(found=[], missed=[], false_alerts=[], alerts_by_rule={"token_spike": 1})


def summary(ledger_calls: int = 10) -> Summary:
    return summarize_run(
        calls_published=10, ledger_calls=ledger_calls, verdict=CLEAN, seconds={"live": 1.5}, seconds_total=2.0
    )


def test_a_lost_call_is_never_well() -> None:
    assert summary().ok
    assert not summary(ledger_calls=9).ok
    assert not summary(ledger_calls=11).ok


def test_the_file_has_the_figures_under_their_names(tmp_path: Path) -> None:
    write_summary(summary(), tmp_path / "summary.json")
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written["calls_published"] == written["ledger_calls"] == 10
    assert written["alerts_by_rule"] == {"token_spike": 1}
    assert {"incidents_found", "incidents_missed", "false_alerts", "seconds", "versions"} <= written.keys()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--summary"):
        write_summary(summary(), tmp_path / "missing" / "summary.json")


def test_the_last_sentence_says_plainly_what_is_wrong() -> None:
    assert "10 calls were published, 9 are in the ledger" in conclude(summary(ledger_calls=9))
    assert "every incident was found" in conclude(summary())


def test_the_table_has_the_counts_and_the_seconds() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(tabulate_summary(summary()))
    screen = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "calls published" in screen
    assert "2.0 (live 1.5)" in screen
