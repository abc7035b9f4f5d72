"""Incidents of keys: stolen ones, and wrong ones."""

from typing import Final

import msgspec
import numpy as np

from tokentrail.processors.simulation.calls import NOBODY, Calls, Outcome
from tokentrail.processors.simulation.catalogue import DEAREST_OF
from tokentrail.processors.simulation.company import Route
from tokentrail.processors.simulation.plans import Plan, UnsuitableError
from tokentrail.processors.simulation.samples import read_sample
from tokentrail.processors.simulation.site import Site, evenly, fill_calls

_USED_CALLS_A_MINUTE: Final = 0.05
"""Nobody steals a key that is never used."""


def plan_key_leak(site: Site) -> Plan:
    """A key is used from 3 to 8 new addresses, on top of its usual traffic, for 30 minutes to 6 hours."""
    number, department = site.department()
    route = int(site.rng.choice(department.routes))
    stolen = msgspec.structs.replace(
        site.company.routes[route], user_agent="python-requests/2.32.5", feature="", request_source="api"
    )
    usual = site.key_calls_per_minute(stolen.key)
    if usual < _USED_CALLS_A_MINUTE:
        raise UnsuitableError
    stolen_route = site.company.add_route(stolen)
    model = DEAREST_OF[stolen.vendor]
    length_s = site.minutes(30, 360)
    start_s = site.usual_moment(length_s, department, 0.6)
    rate = float(np.clip(site.between(2, 8) * usual, 5, 40))
    addresses = np.array([site.foreign_address() for _ in range(int(site.rng.integers(3, 9)))])

    def calls(rng: np.random.Generator) -> Calls:
        count = int(rate * length_s / 60)
        inputs, outputs = read_sample("conv").draw(count, rng)
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=stolen_route,
            model=model,
            address=rng.choice(addresses, count),
            user=NOBODY,
            session=NOBODY,
            input_tokens=inputs,
            output_tokens=outputs,
        )

    entities = site.describe(stolen_route, model)
    entities["ip_address"] = [site.company.addresses[address] for address in addresses]
    del entities["feature"]
    return Plan(
        kind="key_leak",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=entities,
        note=f"a key of {department.name} from {len(addresses)} new addresses, {rate:.0f} calls a minute on top of "
        f"{usual:.1f}, for {length_s / 60:.0f} min",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_credential_stuffing(site: Site) -> Plan:
    """Wrong keys: 6 to 200 refusals within 1 to 10 minutes, of many keys from one address, or of one key."""
    number, department = site.department()
    template = site.company.routes[int(site.rng.choice(department.routes))]
    one_key = bool(site.rng.random() < 0.4)  # noqa: PLR2004 - share
    length_s = site.minutes(1, 10)
    count = int(np.clip(np.exp(site.between(np.log(6), np.log(200))), 6 * length_s / 60, None))
    start_s = site.usual_moment(length_s, department, 0.5)
    keys = 1 if one_key else int(np.clip(count * site.between(0.3, 1.0), 2, 60))
    routes = np.array([_wrong_route(site, template) for _ in range(keys)])
    addresses = np.array([site.foreign_address() for _ in range(int(site.rng.integers(1, 4)) if one_key else 1)])
    model = int(DEAREST_OF[template.vendor])

    def calls(rng: np.random.Generator) -> Calls:
        made = fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=0,
            model=model,
            address=rng.choice(addresses, count),
            user=NOBODY,
            session=NOBODY,
            input_tokens=np.full(count, 20),
            output_tokens=np.full(count, 1),
        )
        made["route"] = rng.choice(routes, count)
        made["status"] = Outcome.AUTH_FAILED
        return made

    tried = [site.key_of(site.company.routes[route]) for route in routes]
    came_from = [site.company.addresses[address] for address in addresses]
    first = (
        {"api_key_id": tried, "ip_address": came_from} if one_key else {"ip_address": came_from, "api_key_id": tried}
    )
    described = site.describe(int(routes[0]), model)
    del described["api_key_id"], described["feature"]
    return Plan(
        kind="credential_stuffing",
        start_s=start_s,
        end_s=start_s + length_s + 5,
        entities={**first, **described},
        note=f"{count} refusals of {keys} keys from {len(addresses)} addresses in {length_s:.0f} s",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_wrong_key(site: Site) -> Plan:
    """Harmless: somebody has pasted the wrong key, and tries once or twice."""
    _, department = site.department()
    who = site.person(department)
    source = site.company.sources[who]
    template, model = site.route_and_model(who)
    route = _wrong_route(site, site.company.routes[template])
    count = int(site.rng.integers(1, 3))
    start_s = site.usual_moment(60, department, 0.1)

    def calls(rng: np.random.Generator) -> Calls:
        made = fill_calls(
            rng,
            start_s + np.arange(0, 25.0 * count, 25.0),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=np.full(count, 300),
            output_tokens=np.full(count, 1),
        )
        made["status"] = Outcome.AUTH_FAILED
        return made

    return Plan(
        kind="wrong_key",
        start_s=start_s,
        end_s=start_s + 60,
        entities={"user_id": [site.company.users[source.user]], **site.describe(route, model)},
        note=f"{count} refusals of a mistyped key",
        harmless=True,
        calls=calls,
    )


def _wrong_route(site: Site, template: Route) -> int:
    site.company.keys.append(site.rng.bytes(32).hex())
    return site.company.add_route(msgspec.structs.replace(template, key=len(site.company.keys) - 1))
