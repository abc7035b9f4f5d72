"""Who made each call of the trace: departments, features, users, keys and models of a made-up company.

The trace has none of these. They are drawn with a fixed seed, so that every run tells the same story: few users make
most calls, and every team has both kinds of work, because the short-answer workload comes in bursts that a key or a
user with nothing else would turn into alerts of their own.
"""

import random
from collections.abc import Iterable, Iterator
from itertools import accumulate

import msgspec

from tokentrail.processors.simulation.trace import TraceCall, Workload

SEED = 20_231_116
FAILURE_RATE = 0.012
"""Of the ordinary calls; a quiet day at a provider."""
JOB_SHARE: dict[Workload, float] = {"conv": 0.0, "code": 0.75}
"""Of each workload, what scheduled jobs do: they have a key, and no user."""
_ACTIVITY_EXPONENT = 0.6
"""A user's share of the team's calls is 1 / rank ** this."""


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """One department's use of LLMs: one service, one key at one provider."""

    department: str
    service: str
    provider: str
    api_key: str
    share: float
    """Of all calls."""
    users: tuple[str, ...]
    """The busiest first."""
    models: tuple[tuple[str, float], ...]
    features: dict[Workload, str]
    """Whole conversations, and short answers about long inputs."""


class Attribution(msgspec.Struct, frozen=True, gc=False):
    """Everything that says who pays for a call."""

    team: Team
    user_id: str | None
    model: str
    feature: str


class HistoricCall(msgspec.Struct, frozen=True, gc=False):
    """One call of the trace with its attribution and outcome."""

    trace: TraceCall
    attribution: Attribution
    http_status: int


SUPPORT = Team(
    department="Customer Support",
    service="support-desk",
    provider="openai",
    api_key="sk-demo-support-4f1b0c7d92",
    share=0.30,
    users=(
        "mia.fischer",
        "liam.osei",
        "sofia.rossi",
        "noah.berg",
        "ines.costa",
        "omar.haddad",
        "yuki.mori",
        "eva.novak",
    ),
    models=(("gpt-4.1-mini", 0.7), ("gpt-4o-mini", 0.3)),
    features={"conv": "support-chat", "code": "ticket-routing"},
)
ENGINEERING = Team(
    department="Engineering",
    service="developer-portal",
    provider="anthropic",
    api_key="sk-ant-demo-engineering-8c55ae01d3",
    share=0.25,
    users=("raj.patel", "lena.vogt", "kofi.mensah", "anna.lind", "tom.byrne", "zoe.martin", "ivan.petrov"),
    models=(("claude-sonnet-4-5", 0.6), ("claude-haiku-4-5", 0.4)),
    features={"conv": "code-review", "code": "code-completion"},
)
SALES = Team(
    department="Sales",
    service="crm",
    provider="openai",
    api_key="sk-demo-sales-b7d2296e58",
    share=0.18,
    users=("clara.weiss", "diego.ruiz", "nora.dahl", "paul.moreau", "tara.singh"),
    models=(("gpt-4.1", 0.6), ("gpt-4o-mini", 0.4)),
    features={"conv": "email-drafts", "code": "lead-scoring"},
)
MARKETING = Team(
    department="Marketing",
    service="content-studio",
    provider="google",
    api_key="AIza-demo-marketing-06e9fa1c47",
    share=0.14,
    users=("julia.horn", "marco.bianchi", "amy.chen", "leo.dubois"),
    models=(("gemini-2.5-flash", 0.75), ("gemini-2.5-pro", 0.25)),
    features={"conv": "campaign-writing", "code": "audience-tagging"},
)
FINANCE = Team(
    department="Finance",
    service="back-office",
    provider="openai",
    api_key="sk-demo-finance-e31d7b80af",
    share=0.13,
    users=("greta.holm", "sam.okafor", "lucia.vidal", "ben.kaplan"),
    models=(("gpt-4.1-mini", 0.5), ("gpt-5-mini", 0.5)),
    features={"conv": "report-questions", "code": "invoice-extraction"},
)
TEAMS = (SUPPORT, ENGINEERING, SALES, MARKETING, FINANCE)

_STATUSES = (200, 429, 500, 503)
_STATUS_WEIGHTS = (1 - FAILURE_RATE, FAILURE_RATE / 2, FAILURE_RATE / 4, FAILURE_RATE / 4)


class AttributionSampler:
    """Draws callers in the proportions of `TEAMS`; the same seed gives the same callers."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)  # noqa: S311  # repeatable traffic, no secret
        self._team_weights = list(accumulate(team.share for team in TEAMS))
        self._user_weights = {
            team.department: list(accumulate((rank + 1) ** -_ACTIVITY_EXPONENT for rank in range(len(team.users))))
            for team in TEAMS
        }

    def draw(self, workload: Workload) -> Attribution:
        """Draw who makes the next call of a workload."""
        team = self._random.choices(TEAMS, cum_weights=self._team_weights)[0]
        user_id = None
        if self._random.random() >= JOB_SHARE[workload]:
            user_id = self._random.choices(team.users, cum_weights=self._user_weights[team.department])[0]
        model = self._random.choices([name for name, _ in team.models], [weight for _, weight in team.models])[0]
        return Attribution(team, user_id, model, team.features[workload])

    def draw_status(self) -> int:
        """Draw the HTTP status that the provider answers with."""
        return self._random.choices(_STATUSES, _STATUS_WEIGHTS)[0]


def attribute_calls(calls: Iterable[TraceCall], seed: int = SEED) -> Iterator[HistoricCall]:
    """Give every call of the trace a caller and an outcome; lazy, in order, the same for the same seed."""
    sampler = AttributionSampler(seed)
    for call in calls:
        yield HistoricCall(call, sampler.draw(call.workload), sampler.draw_status())
