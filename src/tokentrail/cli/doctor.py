"""`tokentrail doctor`: why calls fail, or are not recorded."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from tokentrail.producers.doctor.examination import examine
from tokentrail.producers.doctor.findings import Finding, Verdict

_COLOURS: Final = {Verdict.OK: "32", Verdict.WARN: "33", Verdict.FAIL: "1;31"}


def main(arguments: Sequence[str]) -> int:
    """Run all checks. Exit status 1 if one fails.

    Raises:
        SettingsError: provider or URL is none.
    """
    options = _parse(arguments)
    findings = examine(os.environ, provider=options.provider, base_url=options.base_url, key_variable=options.key_env)
    done = list(findings) if options.json else list(_told(findings))
    ok = all(finding.verdict is not Verdict.FAIL for finding in done)
    if options.json:
        document = msgspec.json.encode({"ok": ok, "findings": done})
        sys.stdout.write(msgspec.json.format(document, indent=2).decode() + "\n")
    return 0 if ok else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tokentrail doctor",
        description="Find out why calls fail or are not recorded. Looks at this service's settings, spool and pepper, "
        "at the keys in the environment, and connects to the providers and to Kafka. Shows no key.",
        epilog="Exit status 1 if a check fails.",
    )
    parser.add_argument("--provider", metavar="NAME", help="openai, anthropic, gemini, …; without it each with a key")
    parser.add_argument("--base-url", metavar="URL", help="a relay or a server of your own, as the SDK is given it")
    parser.add_argument("--key-env", metavar="VARIABLE", help="where the key is; by default the provider's own name")
    parser.add_argument("--json", action="store_true", help="print JSON, with all figures")
    return parser.parse_args(arguments)


def _told(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Print each finding as it comes: a silent host takes a while."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for finding in findings:
        verdict = f"{finding.verdict.value:<4}"
        if coloured:
            verdict = f"\x1b[{_COLOURS[finding.verdict]}m{verdict}\x1b[0m"
        sys.stdout.write(f"{verdict}  {finding.about:<10} {finding.check:<8} {finding.what}\n")
        if finding.advice:
            sys.stdout.write(f"{'':<26}→ {finding.advice}\n")
        sys.stdout.flush()
        yield finding
