from tokentrail.processors.rules import DEFAULT_RULES, check_rules, load_rule_file, load_rules, read_rule_text
from tokentrail.schemas.alerts import Severity

ASKED_FOR = {
    "high_request_volume": Severity.HIGH,
    "token_spike": Severity.MEDIUM,
    "high_error_rate": Severity.CRITICAL,
    "repeated_auth_failures": Severity.HIGH,
    "requests_per_minute": Severity.WARNING,
    "failure_ratio": Severity.CRITICAL,
    "hourly_cost": Severity.CRITICAL,
    "oversized_request": Severity.WARNING,
    "duplicate_requests": Severity.INFO,
}
"""Every check that users count on, with the severity that they gave it."""


def test_the_shipped_rules_hold_every_check_with_its_severity() -> None:
    severities = {rule.name: rule.severity for rule in load_rules()}
    assert {name: severities.get(name) for name in ASKED_FOR} == ASKED_FOR


def test_no_mistake_is_in_the_shipped_file() -> None:
    assert check_rules(read_rule_text(), DEFAULT_RULES)[1] == []


def test_every_shipped_rule_says_what_to_do_and_where_to_read_on() -> None:
    for rule in load_rule_file().rule:
        assert rule.summary, rule.name
        assert rule.recommendation, rule.name
        assert rule.group, rule.name
        assert rule.runbook_url.startswith("docs/alert.md#"), rule.name


def test_what_wants_numbers_of_the_users_own_is_disabled() -> None:
    disabled = {rule.name for rule in load_rule_file().rule if not rule.enabled}
    assert disabled == {"budget_80", "budget_100", "budget_forecast", "new_model"}
