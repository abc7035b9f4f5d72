"""The made-up company: who calls, from where, through which service, with which key, how often."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.catalogue import MODELS, VENDORS
from tokentrail.processors.simulation.rhythm import HOURS, WEEKS, Habit

CHOICES = 4
"""Ways of calling (route and model) that a source has at most."""
ADDRESSES = 4
"""Addresses of each source."""
HOUR_S = 3600.0


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a call that its user, its model and its moment do not decide."""

    service: int
    department: str
    feature: str
    request_source: str
    key: int
    vendor: int
    user_agent: str
    limit_tokens: int
    """The application truncates its prompts to this."""
    stream: bool


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A program that calls; `pods` index the company's pods."""

    name: str
    department: int
    pods: range


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A person or a service account."""

    user: int
    habit: Habit
    department: int
    addresses: tuple[int, ...]
    """The first is where it mostly calls from; the others take turns, a few days each, for the rest."""
    calls_per_week: float
    session_calls: float
    utc_offset_h: int
    from_s: float
    """Calls nobody before this."""
    choices: tuple[tuple[int, int, float], ...]
    """Route, model, probability."""


class Department(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant. The lists hold indices into the company's."""

    name: str
    utc_offset_h: int
    from_s: float
    sources: list[int]
    people: list[int]
    """Those of `sources` that are people, the busiest first."""
    routes: list[int]
    services: list[int]
    batch_key: int
    """The key of its scheduled jobs."""
    batch_hour: int | None
    """The local hour of its nightly job."""


class Company(msgspec.Struct):
    """All of it. Lists only grow, so that incidents can add addresses and keys."""

    departments: list[Department]
    services: list[Service]
    routes: list[Route]
    keys: list[str]
    users: list[str]
    addresses: list[str]
    sources: list[Source]
    pod_services: list[int]
    """By pod, its service."""
    start_hour: int
    """Hour of the week (UTC) in which the simulation begins."""

    def add_address(self, address: str) -> int:
        """Add an address and return its index."""
        self.addresses.append(address)
        return len(self.addresses) - 1

    def add_route(self, route: Route) -> int:
        """Add a route and return its index."""
        self.routes.append(route)
        return len(self.routes) - 1


class SourceTable:
    """The sources as arrays, and what they are expected to do; made once all sources are there."""

    def __init__(self, company: Company) -> None:
        sources = company.sources
        self.user = np.array([source.user for source in sources], np.int32)
        self.habit = np.array([source.habit for source in sources], np.int32)
        self.department = np.array([source.department for source in sources], np.int32)
        self.addresses = np.array([source.addresses for source in sources], np.int32)
        self.session_calls = np.array([source.session_calls for source in sources])
        self.from_s = np.array([source.from_s for source in sources])
        self._calls_per_hour = np.array([source.calls_per_week for source in sources]) / HOURS
        self._start_hour = company.start_hour + np.array([source.utc_offset_h for source in sources])
        self.route, self.model, self.cumulative = _tabulate_choices(sources)
        self.by_model = np.zeros((len(sources), len(MODELS)))
        """Share of a source's calls that go to each model."""
        for row, source in enumerate(sources):
            for _, model, probability in source.choices:
                self.by_model[row, model] += probability
        vendors = np.array([[model.vendor == vendor for vendor in range(len(VENDORS))] for model in MODELS])
        self.by_vendor = self.by_model @ vendors

    def calls_in_hour(self, hour: int) -> NDArray[np.float64]:
        """Return how many calls each source is expected to make in an hour of the simulation, absent growth."""
        weights = WEEKS[self.habit, (self._start_hour + hour) % HOURS]
        calls: NDArray[np.float64] = self._calls_per_hour * weights * (self.from_s < (hour + 1) * HOUR_S)
        return calls

    def busy_calls_per_hour(self, source: int) -> float:
        """Return what a source makes in an ordinary working hour."""
        return float(self._calls_per_hour[source] * np.quantile(WEEKS[self.habit[source]], 0.85))


def _tabulate_choices(
    sources: list[Source],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    routes = np.zeros((len(sources), CHOICES), np.int32)
    models = np.zeros((len(sources), CHOICES), np.int32)
    cumulative = np.ones((len(sources), CHOICES))
    for row, source in enumerate(sources):
        total = 0.0
        for column, (route, model, probability) in enumerate(source.choices):
            total += probability
            routes[row, column], models[row, column], cumulative[row, column] = route, model, total
        cumulative[row, len(source.choices) - 1 :] = 1.0
    return routes, models, cumulative
