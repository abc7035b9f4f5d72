"""Incidents of one person, key or service account."""

import numpy as np

from tokentrail.processors.simulation.calls import NOBODY, Calls, Outcome
from tokentrail.processors.simulation.catalogue import LONGEST_OF, MODELS
from tokentrail.processors.simulation.names import name_session
from tokentrail.processors.simulation.plans import Plan
from tokentrail.processors.simulation.samples import read_sample
from tokentrail.processors.simulation.site import TYPICAL_TOKENS, Site, evenly, fill_calls


def plan_agent_loop(site: Site) -> Plan:
    """A program in a person's name calls without a pause, 5 to 20 times the person's rate, for 10 to 60 minutes."""
    number, department = site.department()
    source = site.company.sources[who := site.person(department)]
    length_s = site.minutes(10, 60)
    start_s = site.usual_moment(length_s, department, 0.3)
    route, model = site.route_and_model(who)
    usual = site.active_calls_per_minute(who)
    rate = float(np.clip(site.between(5, 20) * usual, 12, 60))
    session, user = site.session(), site.company.users[source.user]

    def calls(rng: np.random.Generator) -> Calls:
        count = int(rate * length_s / 60)
        inputs, outputs = read_sample("code").draw(count, rng)
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=session,
            input_tokens=inputs,
            output_tokens=outputs,
        )

    return Plan(
        kind="agent_loop",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={
            "user_id": [user],
            "session_id": [name_session(session)],
            "ip_address": [site.company.addresses[source.addresses[0]]],
            **site.describe(route, model),
        },
        note=f"{user} calls {rate:.0f} times a minute, usual are {usual:.1f}, for {length_s / 60:.0f} min",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_token_spike(site: Site) -> Plan:
    """A person's, or a key's, tokens rise to 8 to 30 times the usual for 3 to 15 minutes."""
    number, department = site.department()
    of_key = bool(site.rng.random() < 0.4)  # noqa: PLR2004 - share that is no person's
    who = site.machine(department) if of_key else site.person(department)
    source = site.company.sources[who]
    route, model = site.route_and_model(who)
    length_s = site.minutes(3, 15)
    start_s = site.usual_moment(length_s, department, 0.2)
    usual = site.active_calls_per_minute(who) * TYPICAL_TOKENS
    tokens = float(np.clip(site.between(8, 30) * usual, 50_000, 700_000))
    rate = max(site.between(4, 14), tokens / 80_000)
    session = NOBODY if of_key else site.session()

    def calls(rng: np.random.Generator) -> Calls:
        count = max(int(rate * length_s / 60), 4)
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=NOBODY if of_key else source.user,
            session=session,
            input_tokens=np.minimum(tokens / rate * rng.uniform(0.8, 1.1, count), 95_000),
            output_tokens=read_sample("conv").draw(count, rng)[1],
        )

    entities = site.describe(route, model)
    if not of_key:
        entities = {"user_id": [site.company.users[source.user]], "session_id": [name_session(session)], **entities}
    return Plan(
        kind="token_spike",
        start_s=start_s,
        end_s=start_s + length_s,
        entities=entities,
        note=f"{tokens:,.0f} tokens a minute, usual are {usual:,.0f}, for {length_s / 60:.0f} min",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_context_leak(site: Site) -> Plan:
    """A session's input grows call by call, and is never truncated, to 60,000 to 200,000 tokens."""
    number, department = site.department()
    source = site.company.sources[who := site.person(department)]
    route, _ = site.route_and_model(who)
    vendor = site.company.routes[route].vendor
    model = LONGEST_OF[vendor]
    final = min(site.between(60_000, 200_000), MODELS[model].context_tokens - 8_000)
    count = int(site.between(40, 120))
    length_s = count * site.between(20, 60)
    start_s = site.usual_moment(length_s, department, 0.2)
    session = site.session()

    def calls(rng: np.random.Generator) -> Calls:
        steps = rng.uniform(0.5, 1.5, count)
        inputs = 1_500 + (final - 1_500) * np.cumsum(steps) / steps.sum()
        made = fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=session,
            input_tokens=inputs,
            output_tokens=read_sample("conv").draw(count, rng)[1],
        )
        made["cached_tokens"][1:] = made["input_tokens"][:-1] // 128 * 128 * (rng.random(count - 1) < 0.8)  # noqa: PLR2004 - share of hits
        return made

    user = site.company.users[source.user]
    return Plan(
        kind="context_leak",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={"session_id": [name_session(session)], "user_id": [user], **site.describe(route, model)},
        note=f"a session of {user} grows to {final:,.0f} tokens of input in {count} calls",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_prompt_stuffing(site: Site) -> Plan:
    """Single requests of more than 100,000 tokens."""
    number, department = site.department()
    source = site.company.sources[who := site.person(department)]
    route, _ = site.route_and_model(who)
    model = LONGEST_OF[site.company.routes[route].vendor]
    count = int(site.rng.geometric(0.2))
    length_s = max(60.0, count * site.between(40, 180))
    start_s = site.usual_moment(length_s, department, 0.3)
    most = min(MODELS[model].context_tokens * 0.95, 400_000)
    size = site.between(105_000, most)
    session = site.session()

    def calls(rng: np.random.Generator) -> Calls:
        return fill_calls(
            rng,
            evenly(rng, count, start_s, length_s),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=session,
            input_tokens=np.clip(size * rng.uniform(0.9, 1.1, count), 101_000, most),
            output_tokens=read_sample("conv").draw(count, rng)[1],
        )

    user = site.company.users[source.user]
    return Plan(
        kind="prompt_stuffing",
        start_s=start_s,
        end_s=start_s + length_s,
        entities={"user_id": [user], "session_id": [name_session(session)], **site.describe(route, model)},
        note=f"{user} sends {count} requests of about {size:,.0f} tokens",
        claims=frozenset({("department", number)}),
        calls=calls,
    )


def plan_duplicate_flood(site: Site) -> Plan:
    """The same request comes 5 to 50 times within 5 minutes, and no SDK's retries are among them."""
    number, department = site.department()
    who = site.machine(department) if site.rng.random() < 0.5 else site.person(department)  # noqa: PLR2004 - even odds
    source = site.company.sources[who]
    route, model = site.route_and_model(who)
    count = int(np.exp(site.between(np.log(5), np.log(50))))
    length_s = site.between(20, 270)
    start_s = site.usual_moment(length_s, department, 0.4)
    content = int(site.rng.integers(0, 2**62))

    def calls(rng: np.random.Generator) -> Calls:
        inputs, outputs = read_sample("code").draw(1, rng)
        made = fill_calls(
            rng,
            np.linspace(start_s, start_s + length_s, count) + rng.uniform(0, 0.4, count),
            route=route,
            model=model,
            address=source.addresses[0],
            user=source.user,
            session=NOBODY,
            input_tokens=np.repeat(inputs, count),
            output_tokens=np.repeat(outputs, count),
        )
        made["content"] = content
        made["status"] = Outcome.SUCCESS
        return made

    return Plan(
        kind="duplicate_flood",
        start_s=start_s,
        end_s=start_s + length_s + 1,
        entities={
            "request_hash": [site.hash_of(content)],
            "user_id": [site.company.users[source.user]],
            **site.describe(route, model),
        },
        note=f"one request {count} times in {length_s:.0f} s",
        claims=frozenset({("department", number)}),
        calls=calls,
    )
