"""Incidents, and harmless days, of whole departments."""

from typing import Final

import msgspec
import numpy as np

from tokentrail.processors.simulation.calls import NOBODY, Calls
from tokentrail.processors.simulation.catalogue import DEAREST_OF, MODELS
from tokentrail.processors.simulation.company import HOUR_S, Department, Route
from tokentrail.processors.simulation.names import name_session
from tokentrail.processors.simulation.plans import Entities, Plan, Surge, UnsuitableError
from tokentrail.processors.simulation.samples import read_sample
from tokentrail.processors.simulation.site import DAY_S, WARM_UP_DAYS, Site, evenly, fill_calls

_SURGED_CALLS_A_MINUTE: Final = 0.6
"""A surge of less than this is a few calls."""
_BURN_TOKENS: Final = 90_000
"""Largest prompt of a runaway bill: one above would be an incident of another kind."""


def plan_slow_drift(site: Site) -> Plan:
    """A department's prompts grow to 2 to 3 times their size over several days; then somebody notices."""
    number, department = site.department()
    length_s = min(site.between(4, 9), site.days / 4) * DAY_S
    start_s = site.moment(length_s, department.from_s + WARM_UP_DAYS * DAY_S if department.from_s else 0.0)
    factor = site.between(2, 3)

    def alter(calls: Calls, _rng: np.random.Generator) -> None:
        # Full size after four fifths, so that the new level is there for a while.
        grown = np.minimum((calls["start_s"] - start_s) / (0.8 * length_s), 1.0)
        hit = np.isin(calls["route"], department.routes)
        calls["input_tokens"][hit] = (calls["input_tokens"] * (1 + (factor - 1) * grown))[hit]

    return Plan(
        kind="slow_drift",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=_describe(site, department),
        note=f"the prompts of {department.name} grow {factor:.1f}-fold over {0.8 * length_s / DAY_S:.1f} days",
        claims=frozenset({("department", number)}),
        alter=alter,
    )


def plan_budget_burn(site: Site) -> Plan:
    """A job of a department spends 110 to 250 USD an hour for 1 to 4 hours."""
    number, department = site.department()
    source = site.company.sources[who := site.machine(department)]
    route, _ = site.route_and_model(who)
    model = DEAREST_OF[site.company.routes[route].vendor]
    length_s = site.minutes(75, 240)
    start_s = site.usual_moment(length_s, department, 0.6)
    usd_per_hour = site.between(110, 250)
    inputs, outputs = site.between(20_000, _BURN_TOKENS), site.between(1_500, 6_000)
    usd_per_call = (inputs * MODELS[model].input_usd + outputs * MODELS[model].output_usd) / 1e6
    count = int(usd_per_hour / usd_per_call * length_s / HOUR_S)

    def calls(rng: np.random.Generator) -> Calls:
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=inputs * rng.uniform(0.9, 1.1, count),
            output_tokens=outputs * rng.uniform(0.9, 1.1, count),
        )

    described = site.describe(route, model)
    return Plan(
        kind="budget_burn",
        start_s=start_s,
        end_s=start_s + length_s + 120,
        entities={
            "department": described["department"],
            "user_id": [site.company.users[source.user]],
            "ip_address": [site.company.addresses[source.addresses[0]]],
            **described,
        },
        note=f"{department.name} spends about {usd_per_hour:.0f} USD an hour on {MODELS[model].name}, "
        f"{count / length_s * 60:.1f} calls a minute, for {length_s / HOUR_S:.1f} h",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_department_surge(site: Site) -> Plan:
    """A department's calls rise to 4 to 8 times the usual, spread over its people, for 30 to 120 minutes."""
    number, department = site.department()
    length_s = site.minutes(30, 120)
    start_s = site.usual_moment(length_s, department, 0.1)
    shares = np.zeros(len(site.company.sources))
    shares[department.sources] = 1.0
    factor = site.between(4, 8)
    usual = site.expected_per_minute(start_s, shares)
    if usual < _SURGED_CALLS_A_MINUTE:
        raise UnsuitableError
    return Plan(
        kind="department_surge",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=_describe(site, department),
        note=f"{department.name} calls {factor:.1f} times as much as the usual {usual:.1f} a minute, for "
        f"{length_s / 60:.0f} min",
        claims=frozenset({("department", number)}),
        surge=Surge(sources=department.sources, start_s=start_s, end_s=start_s + length_s, factor=factor),
    )


def plan_launch_day(site: Site) -> Plan:
    """Harmless: everybody in a department calls up to 2.5 times as much, rising and falling over hours."""
    number, department = site.department()
    length_s = site.between(7, 10) * HOUR_S
    start_s = site.usual_moment(length_s, department, 0.0)
    factor = site.between(1.5, 2.5)
    return Plan(
        kind="launch_day",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=_describe(site, department),
        note=f"a launch: {department.name} calls up to {factor:.1f} times as much for {length_s / HOUR_S:.0f} h",
        harmless=True,
        claims=frozenset({("department", number)}),
        surge=Surge(
            sources=department.sources,
            start_s=start_s,
            end_s=start_s + length_s,
            factor=factor,
            ramp_s=2 * HOUR_S,
        ),
    )


def plan_long_chat(site: Site) -> Plan:
    """Harmless: one long conversation, whose history is truncated as it should be."""
    _, department = site.department()
    source = site.company.sources[who := site.person(department)]
    route, model = site.route_and_model(who)
    limit = site.company.routes[route].limit_tokens
    count = int(site.between(40, 90))
    length_s = count * site.between(30, 75)
    start_s = site.usual_moment(length_s, department, 0.1)
    session = site.session()

    def calls(rng: np.random.Generator) -> Calls:
        outputs = read_sample("conv").draw(count, rng)[1]
        history = 800 + np.cumsum(outputs + rng.lognormal(np.log(90), 0.8, count))
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=session,
            input_tokens=np.minimum(history, limit * rng.uniform(0.85, 1.0, count)),
            output_tokens=outputs,
        )

    user = site.company.users[source.user]
    return Plan(
        kind="long_chat",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={"session_id": [name_session(session)], "user_id": [user], **site.describe(route, model)},
        note=f"a chat of {count} calls, truncated at {limit:,} tokens",
        harmless=True,
        calls=calls,
    )


def plan_new_customer(site: Site, number: int) -> Plan:
    """Harmless: department `number` begins to call, and goes on for good. The label covers its first two days."""
    department = site.company.departments[number]
    return Plan(
        kind="new_customer",
        start_s=department.from_s,
        end_s=min(department.from_s + 2 * DAY_S, site.days * DAY_S),
        entities=_describe(site, department),
        note=f"{department.name} begins to call, with {len(department.people)} people",
        harmless=True,
        claims=frozenset({("department", number)}),
    )


def plan_night_batches(site: Site, department: Department) -> list[Plan]:
    """Harmless: a department's nightly job, at its usual hour, every night; one label a night."""
    route = site.company.add_route(_batch_route(site, department))
    model = site.company.sources[site.machine(department)].choices[0][1]
    vendor = site.company.routes[route].vendor
    model = model if MODELS[model].vendor == vendor else DEAREST_OF[vendor]
    size, length_s = int(site.between(80, 400)), site.minutes(10, 40)
    address = site.company.add_address(f"172.17.0.{1 + len(site.company.addresses) % 250}")
    site.company.users.append(f"svc-{department.name}-nightly")
    user = len(site.company.users) - 1
    hour = ((department.batch_hour or 0) - department.utc_offset_h - site.company.start_hour) % 24
    plans = []
    for start_s in np.arange(hour * HOUR_S, site.days * DAY_S - length_s, DAY_S):
        begin_s = float(start_s) + site.between(0, 240)
        count = int(size * site.between(0.85, 1.15))
        plans.append(
            Plan(
                kind="night_batch",
                start_s=begin_s,
                end_s=begin_s + length_s,
                entities={"user_id": [site.company.users[user]], **site.describe(route, model)},
                note=f"the nightly job of {department.name}: {count} calls",
                harmless=True,
                calls=_Batch(count, begin_s, length_s, (route, model, user, address)),
            )
        )
    return plans


class _Batch:
    """Makes the calls of one night."""

    def __init__(self, count: int, start_s: float, length_s: float, who: tuple[int, int, int, int]) -> None:
        self._count, self._start_s, self._length_s, self._who = count, start_s, length_s, who

    def __call__(self, rng: np.random.Generator) -> Calls:
        route, model, user, address = self._who
        inputs, outputs = read_sample("code").draw(self._count, rng)
        return fill_calls(
            rng,
            evenly(rng, self._count, self._start_s, self._length_s),
            route=route,
            model=model,
            address=address,
            user=user,
            session=NOBODY,
            input_tokens=inputs,
            output_tokens=outputs,
        )


def _describe(site: Site, department: Department) -> Entities:
    """Return everything that is a department's own."""
    company = site.company
    routes = [company.routes[route] for route in department.routes]
    return {
        "department": [department.name],
        "service": [company.services[service].name for service in department.services],
        "feature": sorted({route.feature for route in routes}),
        "api_key_id": sorted({site.key_of(route) for route in routes}),
        "user_id": [company.users[company.sources[source].user] for source in department.sources],
    }


def _batch_route(site: Site, department: Department) -> Route:
    template = site.company.routes[department.routes[-1]]
    return msgspec.structs.replace(
        template, feature="nightly-report", request_source="schedule", key=department.batch_key, stream=False
    )
