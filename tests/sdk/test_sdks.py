"""The official SDKs, unmodified: recorded or not, their callers see the same; and every attempt is one event."""

import pytest
from sdk_cases import Case
from sdk_checks import check_answer, check_events
from sdk_results import MODULES, cases_of, results_of
from sdk_table import PAGE, page, without_versions

CASES = [(module, case) for module in MODULES for case in cases_of(module).cases]
cases = pytest.mark.parametrize(
    ("module", "case"), CASES, ids=[f"{module.removesuffix('_cases')}-{case.name}" for module, case in CASES]
)
# An environment may have to be built first.
pytestmark = pytest.mark.timeout(900)


@cases
def test_the_caller_sees_the_same(module: str, case: Case) -> None:
    check_answer(results_of(module)["cases"][case.name])


@cases
def test_every_attempt_is_one_event(module: str, case: Case) -> None:
    check_events(case, results_of(module)["cases"][case.name])


def test_the_page_says_what_the_results_are() -> None:
    """Versions move on their own; `make sdk-table` writes the page anew."""
    assert without_versions(PAGE.read_text()) == without_versions(page())
