"""Founds a company: departments, services, keys and people drawn from a seed."""

from typing import Final

import msgspec
import numpy as np

from tokentrail.processors.simulation.catalogue import MODELS, MODELS_OF, VENDORS
from tokentrail.processors.simulation.company import ADDRESSES, CHOICES, Company, Department, Route, Service, Source
from tokentrail.processors.simulation.rhythm import Habit

_NAMES: Final = (
    "support", "engineering", "sales", "marketing", "finance", "legal", "research", "operations", "people", "security",
    "procurement", "insights",
)  # fmt: skip
_CUSTOMERS: Final = ("acme", "globex", "initech", "umbra", "vandelay", "wonka", "stark", "tyrell")
_UTC_OFFSETS: Final = (-8, -5, 0, 1, 1, 2, 5, 9)
_CHAT_FEATURES: Final = ("assistant", "summaries", "drafts", "search", "translation", "reports")
_CODE_FEATURES: Final = ("completion", "code-review", "tests")
_MACHINE_FEATURES: Final = ("classification", "extraction", "enrichment", "moderation")
_AGENTS: Final = ("OpenAI/Python 2.8.1", "Anthropic/Python 0.75.0", "google-genai-sdk/1.52.0")
_LIMITS: Final = (8_000, 12_000, 16_000, 24_000)
_PEOPLE: Final = (5, 60)
_ACTIVITY_SIGMA: Final = 1.0
"""Of a person's activity, lognormal: the busiest tenth makes about 40 % of the calls."""
_MACHINE_SHARE: Final = (0.15, 0.45)
"""Of a department's calls."""
_CHAT_SESSION: Final = (3.0, 7.0)
_CODE_SESSION: Final = (6.0, 14.0)
_SECOND_VENDOR: Final = 0.45
_JOINERS: Final = 0.04
"""Of the people of a department join later than it."""
_JOINS_S: Final = (2 * 86_400.0, 26 * 86_400.0)
_BATCH_SHARE: Final = 0.6
"""Of the departments run a nightly job."""


class Founder:
    """Draws one company. `weights` of departments are shares of the calls."""

    def __init__(self, rng: np.random.Generator, calls_per_day: float, start_hour: int) -> None:
        self._rng = rng
        self._calls_per_week = calls_per_day * 7
        self.company = Company(
            departments=[],
            services=[],
            routes=[],
            keys=[],
            users=[],
            addresses=[],
            sources=[],
            pod_services=[],
            start_hour=start_hour,
        )

    def found(self, tenants: int) -> None:
        """Add the departments that are there from the beginning."""
        weights = np.sort(self._rng.lognormal(0.0, 0.5, tenants))[::-1]
        names = [str(name) for name in self._rng.permutation(_NAMES)]
        names += [f"unit-{number}" for number in range(len(names), tenants)]
        for name, weight in zip(names, weights / weights.sum(), strict=False):
            self._add_department(name, float(weight) * self._calls_per_week, 0.0)

    def add_customers(self, moments_s: list[float]) -> list[int]:
        """Add departments that begin to call at these moments, each as large as a large one; returns their indices."""
        names = [str(name) for name in self._rng.permutation(_CUSTOMERS)]
        added = []
        for number, from_s in enumerate(moments_s):
            share = self._rng.uniform(0.05, 0.12)
            name = f"customer-{names[number % len(names)]}{number // len(names) or ''}"
            self._add_department(name, share * self._calls_per_week, from_s)
            added.append(len(self.company.departments) - 1)
        return added

    def _add_department(self, name: str, calls_per_week: float, from_s: float) -> None:
        rng, company = self._rng, self.company
        number = len(company.departments)
        vendors = [int(vendor) for vendor in rng.permutation(len(VENDORS))[: 1 + (rng.random() < _SECOND_VENDOR)]]
        vendors[0] = int(rng.choice(3, p=(0.45, 0.35, 0.2))) if len(vendors) == 1 else vendors[0]
        services = [self._add_service(f"{name}-{part}", number) for part in ("portal", "worker")]
        chat = self._add_routes(name, services[0], Habit.CHAT, vendors)
        code = self._add_routes(name, services[0], Habit.CODE, vendors)
        machine = self._add_routes(name, services[1], Habit.MACHINE, vendors)
        batch_key = self._add_key()
        first = len(company.sources)
        offset = int(rng.choice(_UTC_OFFSETS))
        machines = float(rng.uniform(*_MACHINE_SHARE)) * calls_per_week
        office = Office(number, name, offset, from_s)
        people = self._add_people(office, calls_per_week - machines, {Habit.CHAT: chat, Habit.CODE: code})
        self._add_machines(office, machines, machine)
        company.departments.append(
            Department(
                name=name,
                utc_offset_h=offset,
                from_s=from_s,
                sources=list(range(first, len(company.sources))),
                people=people,
                routes=[*chat, *code, *machine],
                services=services,
                batch_key=batch_key,
                batch_hour=int(rng.integers(1, 5)) if rng.random() < _BATCH_SHARE else None,
            )
        )

    def _add_service(self, name: str, department: int) -> int:
        pods = len(self.company.pod_services)
        count = int(self._rng.integers(2, 4))
        number = len(self.company.services)
        self.company.services.append(Service(name=name, department=department, pods=range(pods, pods + count)))
        self.company.pod_services.extend([number] * count)
        return number

    def _add_key(self) -> int:
        self.company.keys.append(self._rng.bytes(32).hex())
        return len(self.company.keys) - 1

    def _add_routes(self, department: str, service: int, habit: Habit, vendors: list[int]) -> list[int]:
        """Two features, each over every vendor with a key of its own vendor and service."""
        rng = self._rng
        features = {Habit.CHAT: _CHAT_FEATURES, Habit.CODE: _CODE_FEATURES, Habit.MACHINE: _MACHINE_FEATURES}[habit]
        keys = {vendor: self._add_key() for vendor in vendors}
        return [
            self.company.add_route(
                Route(
                    service=service,
                    department=department,
                    feature=str(feature),
                    request_source="internal" if habit is Habit.MACHINE else "web",
                    key=keys[vendor],
                    vendor=vendor,
                    user_agent=_AGENTS[vendor],
                    limit_tokens=int(rng.choice(_LIMITS)),
                    stream=habit is not Habit.MACHINE and bool(rng.random() < 0.85),  # noqa: PLR2004 - share that streams
                )
            )
            for feature in rng.permutation(features)[:2]
            for vendor in vendors
        ]

    def _add_people(self, office: "Office", calls_per_week: float, routes: dict[Habit, list[int]]) -> list[int]:
        rng, company = self._rng, self.company
        count = int(np.clip(rng.lognormal(np.log(24), 0.5), *_PEOPLE))
        activity = np.sort(rng.lognormal(0.0, _ACTIVITY_SIGMA, count))[::-1]
        coders = 0.6 if office.name in {"engineering", "research", "security"} else 0.08
        first = len(company.sources)
        shared = company.add_address(f"10.{office.number}.0.1")
        for rank, share in enumerate(activity / activity.sum()):
            habit = Habit.CODE if rng.random() < coders else Habit.CHAT
            own = rng.random() < 0.6  # noqa: PLR2004 - share of people who call from an address of their own
            address = company.add_address(f"10.{office.number}.{1 + rank // 200}.{2 + rank % 200}") if own else shared
            company.users.append(f"{office.name}.u{rank + 1:02d}")
            session = rng.uniform(*(_CODE_SESSION if habit is Habit.CODE else _CHAT_SESSION))
            company.sources.append(
                Source(
                    user=len(company.users) - 1,
                    habit=habit,
                    department=office.number,
                    addresses=(address, *(company.add_address(self._home(office)) for _ in range(ADDRESSES - 1))),
                    calls_per_week=float(share) * calls_per_week,
                    session_calls=float(session),
                    utc_offset_h=office.utc_offset_h + int(rng.integers(-1, 2)),
                    from_s=float(rng.uniform(*_JOINS_S)) + office.from_s
                    if rank > 0 and rng.random() < _JOINERS
                    else office.from_s,
                    choices=self._choose(routes[habit]),
                )
            )
        return list(range(first, len(company.sources)))

    def _add_machines(self, office: "Office", calls_per_week: float, routes: list[int]) -> None:
        rng, company = self._rng, self.company
        shares = rng.dirichlet([2.0] * int(rng.integers(1, 4)))
        for rank, share in enumerate(shares):
            company.users.append(f"svc-{office.name}-{rank + 1}")
            company.sources.append(
                Source(
                    user=len(company.users) - 1,
                    habit=Habit.MACHINE,
                    department=office.number,
                    addresses=(company.add_address(f"172.16.{office.number}.{10 + rank}"),) * ADDRESSES,
                    calls_per_week=float(share) * calls_per_week,
                    session_calls=1.0,
                    utc_offset_h=office.utc_offset_h,
                    from_s=office.from_s,
                    choices=self._choose(routes),
                )
            )

    def _home(self, office: "Office") -> str:
        """Return an address of a network provider, which people call from when they are not at the office."""
        return f"100.{64 + office.number % 64}.{self._rng.integers(0, 256)}.{self._rng.integers(1, 255)}"

    def _choose(self, routes: list[int]) -> tuple[tuple[int, int, float], ...]:
        """Return a person's own mix: a favourite feature and model, and some of the others."""
        rng = self._rng
        chosen = []
        for _ in range(CHOICES):
            route = int(rng.choice(routes))
            models = MODELS_OF[self.company.routes[route].vendor]
            shares = np.array([MODELS[model].share for model in models])
            chosen.append((route, int(rng.choice(models, p=shares / shares.sum()))))
        weights = rng.dirichlet([4.0, 2.0, 1.0, 1.0])
        return tuple((route, model, float(weight)) for (route, model), weight in zip(chosen, weights, strict=True))


class Office(msgspec.Struct, frozen=True):
    """What the people of a department share."""

    number: int
    name: str
    utc_offset_h: int
    from_s: float
