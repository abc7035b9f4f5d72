"""`tokentrail doctor`, as people and programs run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

KEY = "sk-ant-api03-Zq81mWc4Tn70LbXe55yR"


def doctor(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {
        name: value for name, value in os.environ.items()
        if not name.startswith("TOKENTRAIL") and not name.endswith("_API_KEY") and "proxy" not in name.lower()
    }  # fmt: skip
    nobody = {"TOKENTRAIL_KAFKA": "127.0.0.1:1", "XDG_CONFIG_HOME": str(directory), "XDG_STATE_HOME": str(directory)}
    return subprocess.run(
        [sys.executable, "-m", "tokentrail.cli.main", "doctor", *arguments],
        cwd=directory, env={**own, **nobody, **environ}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_failing_check_is_exit_status_1_and_says_what_to_do(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "--base-url", "http://127.0.0.1:1/v1", OPENAI_API_KEY=f"{KEY}\n")
    assert (ran.returncode, ran.stderr) == (1, "")
    lines = ran.stdout.splitlines()
    assert any(line.startswith("fail") and "OPENAI_API_KEY begins or ends with a line break" in line for line in lines)
    assert any(line.startswith("fail") and "127.0.0.1:1 does not take a connection" in line for line in lines)
    assert any(line.strip().startswith("→") for line in lines)
    assert KEY not in ran.stdout


def test_as_json_it_is_one_document(tmp_path: Path) -> None:
    ran = doctor(
        tmp_path, "--json", "--provider", "anthropic", "--base-url", "http://127.0.0.1:1", ANTHROPIC_API_KEY=KEY
    )
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["ok"]) == (1, False)
    assert {"about": "anthropic", "check": "key", "verdict": "ok"}.items() <= next(
        finding for finding in document["findings"] if finding["check"] == "key"
    ).items()
    assert KEY not in ran.stdout


def test_without_any_key_it_says_so_and_looks_at_the_rest(tmp_path: Path) -> None:
    ran = doctor(tmp_path)
    assert "No provider's key is in the environment." in ran.stdout
    assert all(f" {about} " in ran.stdout for about in ("settings", "pepper", "spool", "kafka"))


def test_settings_that_cannot_be_used_do_not_stop_it(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "--base-url", "http://127.0.0.1:1/v1", TOKENTRAIL_PARTITIONS="0")
    assert (ran.returncode, "partitions" in ran.stdout, "127.0.0.1:1" in ran.stdout) == (1, True, True)


def test_a_provider_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    ran = doctor(tmp_path, "--provider", "opnai")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    doctor(tmp_path)
    assert not list(tmp_path.iterdir())
