"""Incidents of the audit trail itself: clocks that are off, events that never come, chains that break."""

from typing import Final

import numpy as np

from tokentrail.processors.simulation.calls import NOBODY, Calls, Loss, Outcome
from tokentrail.processors.simulation.company import Department
from tokentrail.processors.simulation.plans import Plan, Skew, UnsuitableError
from tokentrail.processors.simulation.samples import read_sample
from tokentrail.processors.simulation.site import Site, fill_calls

_SKEWED_CALLS_A_MINUTE: Final = 0.3
_LEAST_EVENTS: Final = 20
"""Fewer, and none might be lost."""


def plan_clock_skew(site: Site) -> Plan:
    """One service's clock is off by 6 to 120 minutes for 2 to 8 hours."""
    number, department = site.department()
    service = int(site.rng.choice(department.services))
    length_s = site.minutes(120, 480)
    start_s = site.usual_moment(length_s, department, 0.3)
    if _calls_per_minute(site, service, start_s) < _SKEWED_CALLS_A_MINUTE:
        raise UnsuitableError
    offset_s = site.minutes(6, 120) * (1 if site.rng.random() < 0.5 else -1)  # noqa: PLR2004 - even odds
    name = site.company.services[service].name
    return Plan(
        kind="clock_skew",
        start_s=start_s,
        end_s=start_s + length_s,
        label_end_s=start_s + length_s + max(offset_s, 0.0),
        entities={"service": [name], "department": [department.name]},
        note=f"the clock of {name} is {abs(offset_s) / 60:.0f} min {'ahead' if offset_s > 0 else 'behind'} for "
        f"{length_s / 3600:.1f} h",
        claims=frozenset({("department", number)}),
        skew=Skew(service=service, start_s=start_s, end_s=start_s + length_s, offset_s=offset_s),
        pods=tuple(site.company.services[service].pods),
    )


def plan_lost_calls(site: Site) -> Plan:
    """A process is killed in the middle of calls, or events are lost on the way, or a hash chain is broken."""
    number, department = site.department()
    service = int(site.rng.choice(department.services))
    pod = int(site.rng.choice(site.company.services[service].pods))
    kind = int(site.rng.integers(0, 3))
    return (_kill, _lose, _break)[kind](site, department, pod, ("department", number))


def _kill(site: Site, department: Department, pod: int, claim: tuple[str, int]) -> Plan:
    moment = site.usual_moment(120, department, 0.3)
    service = site.company.pod_services[pod]
    open_calls = int(site.between(2, 12))
    sources = [
        source
        for source in department.sources
        if any(site.company.routes[route].service == service for route, _, _ in site.company.sources[source].choices)
    ]
    source = site.company.sources[int(site.rng.choice(sources))]
    route, model, _ = source.choices[0]

    def calls(rng: np.random.Generator) -> Calls:
        inputs, outputs = read_sample("conv").draw(open_calls, rng)
        made = fill_calls(
            rng,
            moment - rng.uniform(0.5, 20, open_calls),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=inputs,
            output_tokens=outputs,
        )
        made["pod"] = pod
        made["latency_ms"] += 30_000
        made["status"] = Outcome.SUCCESS
        return made

    def alter(calls: Calls, _rng: np.random.Generator) -> None:
        ends = calls["start_s"] + calls["latency_ms"] / 1000
        calls["loss"][(calls["pod"] == pod) & (calls["start_s"] < moment) & (ends >= moment)] |= np.uint8(
            Loss.NEVER_COMPLETED
        )

    return Plan(
        kind="lost_calls",
        start_s=moment - 120,
        label_start_s=moment,
        end_s=moment + 60,
        entities=_describe(site, department, pod),
        note=f"a process of {site.company.services[service].name} is killed with {open_calls} calls open or more",
        claims=frozenset({claim}),
        calls=calls,
        alter=alter,
        restarts=((pod, moment),),
        pods=(pod,),
    )


def _lose(site: Site, department: Department, pod: int, claim: tuple[str, int]) -> Plan:
    length_s = site.minutes(10, 90)
    start_s = site.usual_moment(length_s, department, 0.3)
    if _pod_calls(site, pod, start_s, length_s) < _LEAST_EVENTS:
        raise UnsuitableError
    ratio = site.between(0.15, 0.6)

    def alter(calls: Calls, rng: np.random.Generator) -> None:
        own = calls["pod"] == pod
        calls["loss"][own & (rng.random(len(calls)) < ratio)] |= np.uint8(Loss.STARTED_LOST)
        calls["loss"][own & (rng.random(len(calls)) < ratio)] |= np.uint8(Loss.COMPLETED_LOST)

    return Plan(
        kind="lost_calls",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=_describe(site, department, pod),
        note=f"{ratio:.0%} of the events of one process are lost on the way, for {length_s / 60:.0f} min",
        claims=frozenset({claim}),
        alter=alter,
        pods=(pod,),
    )


def _break(site: Site, department: Department, pod: int, claim: tuple[str, int]) -> Plan:
    length_s = site.minutes(20, 120)
    start_s = site.usual_moment(length_s, department, 0.3)
    if _pod_calls(site, pod, start_s, length_s) < _LEAST_EVENTS:
        raise UnsuitableError
    ratio = site.between(0.2, 0.9)

    def alter(calls: Calls, rng: np.random.Generator) -> None:
        calls["loss"][(calls["pod"] == pod) & (rng.random(len(calls)) < ratio)] |= np.uint8(Loss.CHAIN_BROKEN)

    return Plan(
        kind="lost_calls",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=_describe(site, department, pod),
        note=f"{ratio:.0%} of the completed events of one process do not carry the hash of the one before",
        claims=frozenset({claim}),
        alter=alter,
        pods=(pod,),
    )


def _pod_calls(site: Site, pod: int, start_s: float, length_s: float) -> float:
    """Return how many calls a pod is expected to make in a stretch of time."""
    service = site.company.pod_services[pod]
    return _calls_per_minute(site, service, start_s) * length_s / 60 / len(site.company.services[service].pods)


def _calls_per_minute(site: Site, service: int, start_s: float) -> float:
    shares = np.array([
        sum(share for route, _, share in source.choices if site.company.routes[route].service == service)
        for source in site.company.sources
    ])  # fmt: skip
    return site.expected_per_minute(start_s, shares)


def _describe(site: Site, department: Department, pod: int) -> dict[str, list[str]]:
    service = site.company.services[site.company.pod_services[pod]]
    return {"producer_id": [], "service": [service.name], "department": [department.name]}
