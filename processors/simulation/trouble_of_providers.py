"""Incidents of providers, and of clients that meet them badly."""

from typing import Final

import numpy as np

from tokentrail.processors.simulation.calls import NOBODY, Calls, Outcome, draw_ids
from tokentrail.processors.simulation.catalogue import MODELS, MODELS_OF, VENDORS
from tokentrail.processors.simulation.company import Source
from tokentrail.processors.simulation.plans import Entities, Plan, UnsuitableError
from tokentrail.processors.simulation.samples import read_sample
from tokentrail.processors.simulation.site import Site, evenly, fill_calls

_MET_CALLS_A_MINUTE: Final = 2.0
"""An outage that nobody meets is no incident."""
_BROWN_CALLS_A_MINUTE: Final = 3.0
"""Of a few calls nobody can say whether a third of them fails."""
_OUTAGE_FAILURES: Final = (Outcome.SERVER_ERROR, Outcome.TIMEOUT, Outcome.CONNECTION_ERROR)
_SLOW: Final = 0.5
"""Share of brown-outs that answer slowly rather than wrongly."""
_MOST_CALLS_A_STORM: Final = 200.0


def plan_provider_outage(site: Site) -> Plan:
    """One provider's endpoint fails 70 to 100 % of all calls for 5 to 40 minutes."""
    vendor = int(site.rng.integers(0, len(VENDORS)))
    length_s = site.minutes(5, 40)
    start_s = _seen_moment(site, site.table.by_vendor[:, vendor], length_s, _MET_CALLS_A_MINUTE)
    ratio = site.between(0.7, 1.0)
    # A refused connection fails at once, an overloaded one after a while: an outage looks one way or the other.
    shares = site.rng.dirichlet([3.0, 0.4, 1.0])

    def alter(calls: Calls, rng: np.random.Generator) -> None:
        hit = np.isin(calls["model"], MODELS_OF[vendor]) & (rng.random(len(calls)) < ratio)
        hit &= calls["status"] != Outcome.AUTH_FAILED
        calls["status"][hit] = rng.choice(_OUTAGE_FAILURES, int(hit.sum()), p=shares)

    described = VENDORS[vendor]
    return Plan(
        kind="provider_outage",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={
            "provider": [described.provider],
            "endpoint": [described.endpoint],
            "server_address": [described.server_address],
            **_touched(site, MODELS_OF[vendor]),
        },
        note=f"{described.provider} fails {ratio:.0%} of calls for {length_s / 60:.0f} min",
        claims=_claims(site, MODELS_OF[vendor]),
        alter=alter,
    )


def plan_brown_out(site: Site) -> Plan:
    """One model fails 25 to 50 % of its calls, or takes 3 to 6 times as long, for 10 to 60 minutes."""
    length_s = site.minutes(10, 60)
    model = int(site.rng.integers(0, len(MODELS)))
    start_s = _seen_moment(site, site.table.by_model[:, model], length_s, _BROWN_CALLS_A_MINUTE)
    slow = bool(site.rng.random() < _SLOW)
    ratio, factor = site.between(0.25, 0.5), site.between(3, 6)

    def alter(calls: Calls, rng: np.random.Generator) -> None:
        own = calls["model"] == model
        if slow:
            calls["latency_ms"][own] *= factor
            calls["first_token_ms"][own] *= factor
        else:
            hit = own & (rng.random(len(calls)) < ratio) & (calls["status"] == Outcome.SUCCESS)
            calls["status"][hit] = Outcome.SERVER_ERROR

    name, vendor = MODELS[model].name, VENDORS[MODELS[model].vendor]
    return Plan(
        kind="brown_out",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={
            "request_model": [name],
            "provider": [vendor.provider],
            "endpoint": [vendor.endpoint],
            **{field: values for field, values in _touched(site, [model]).items() if field != "request_model"},
        },
        note=f"{name} {f'takes {factor:.1f} times as long' if slow else f'fails {ratio:.0%} of calls'} for "
        f"{length_s / 60:.0f} min",
        claims=_claims(site, [model]),
        alter=alter,
    )


def plan_retry_storm(site: Site) -> Plan:
    """A service meets 429s or 5xx, and tries again at once, 30 to 200 times a minute, for 5 to 30 minutes."""
    number, department = site.department()
    source = site.company.sources[who := site.machine(department)]
    route, model = site.route_and_model(who)
    length_s = site.minutes(5, 30)
    start_s = site.usual_moment(length_s, department, 0.5)
    rate = min(float(np.exp(site.between(np.log(30), np.log(200)))), _MOST_CALLS_A_STORM)
    attempts = int(site.between(8, 30))
    outcome = Outcome.RATE_LIMITED if site.rng.random() < 0.7 else Outcome.SERVER_ERROR  # noqa: PLR2004 - share
    ratio = site.between(0.85, 0.98)

    def calls(rng: np.random.Generator) -> Calls:
        logical = max(int(rate * length_s / 60 / attempts), 1)
        inputs, outputs = read_sample("code").draw(logical, rng)
        made = fill_calls(
            rng,
            np.sort(evenly(rng, logical * attempts, start_s, length_s)),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=np.repeat(inputs, attempts),
            output_tokens=np.repeat(outputs, attempts),
        )
        made["logical_id"] = np.repeat(draw_ids(logical, rng), attempts, axis=0)
        made["content"] = np.repeat(made["content"][::attempts], attempts)
        made["retry"] = np.tile(np.arange(attempts), logical)
        made["status"] = np.where(rng.random(len(made)) < ratio, outcome, Outcome.SUCCESS)
        made["retried"] = False
        return made

    return Plan(
        kind="retry_storm",
        start_s=start_s,
        end_s=start_s + length_s + 5,
        entities=_with_user(site, source, route, model),
        note=f"{rate:.0f} calls a minute, {ratio:.0%} of them {outcome.name}, each tried {attempts} times, for "
        f"{length_s / 60:.0f} min",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_rate_limit_blip(site: Site) -> Plan:
    """Harmless: three 429s in a row, and then it works."""
    _, department = site.department()
    source = site.company.sources[who := site.machine(department)]
    route, model = site.route_and_model(who)
    start_s = site.usual_moment(60, department, 0.3)

    def calls(rng: np.random.Generator) -> Calls:
        inputs, outputs = read_sample("code").draw(1, rng)
        made = fill_calls(
            rng,
            start_s + np.array([0.0, 1.1, 3.4, 8.0]),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=np.repeat(inputs, 4),
            output_tokens=np.repeat(outputs, 4),
        )
        made["logical_id"], made["content"] = made["logical_id"][0], made["content"][0]
        made["retry"], made["retried"] = np.arange(4), False
        made["status"] = [Outcome.RATE_LIMITED] * 3 + [Outcome.SUCCESS]
        return made

    return Plan(
        kind="rate_limit_blip",
        start_s=start_s,
        end_s=start_s + 60,
        entities=_with_user(site, source, route, model),
        note="three 429s in a row",
        harmless=True,
        calls=calls,
    )


def _with_user(site: Site, source: Source, route: int, model: int) -> Entities:
    described = site.describe(route, model)
    return {
        "api_key_id": described["api_key_id"],
        "user_id": [site.company.users[source.user]],
        "ip_address": [site.company.addresses[source.addresses[0]]],
        **described,
    }


def _seen_moment(site: Site, shares: np.ndarray, length_s: float, least: float) -> float:
    """Draw a moment at which the affected calls are frequent enough."""
    for _ in range(60):
        start_s = site.moment(length_s)
        if site.expected_per_minute(start_s, shares) >= least:
            return start_s
    raise UnsuitableError


def _users_of(site: Site, models: "range | tuple[int, ...] | list[int]") -> list[int]:
    return [
        number for number in range(len(site.company.sources)) if site.table.by_model[number, list(models)].sum() > 0
    ]


def _touched(site: Site, models: "tuple[int, ...] | list[int]") -> Entities:
    """Return everything whose calls depend on these models: what fails for them, and what tries again."""
    company = site.company
    sources = [company.sources[number] for number in _users_of(site, models)]
    routes = {route for source in sources for route, model, _ in source.choices if model in models}
    ordered = [company.routes[route] for route in sorted(routes)]
    return {
        "request_model": [MODELS[model].name for model in models],
        "api_key_id": sorted({site.key_of(route) for route in ordered}),
        "service": sorted({company.services[route.service].name for route in ordered}),
        "department": sorted({route.department for route in ordered}),
        "feature": sorted({route.feature for route in ordered}),
        "user_id": [company.users[source.user] for source in sources],
    }


def _claims(site: Site, models: "tuple[int, ...] | list[int]") -> frozenset[tuple[str, int]]:
    departments = {site.company.sources[number].department for number in _users_of(site, models)}
    return frozenset(("department", number) for number in departments)
