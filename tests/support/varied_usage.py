"""Usages as they come: parts that mostly fit into their totals, and often are not told at all."""

import random

from tokentrail.schemas.events import Usage

TOKENS = (0, 1, 7, 1_000, 128_000, 200_000, 200_001, 272_001, 1_000_001)
PARTS = [name for name in Usage.__struct_fields__ if name not in {"input_tokens", "output_tokens"}]


def draw_usage(chance: random.Random) -> Usage | None:
    if chance.random() < 0.03:
        return None
    told: dict[str, int] = {
        name: chance.choice((chance.choice(TOKENS), chance.randrange(400_000)))
        for name in PARTS
        if chance.random() < 0.4
    }
    spoken = {"output_audio_tokens", "reasoning_tokens"}
    totals = {
        "input_tokens": sum(count for name, count in told.items() if name not in spoken),
        "output_tokens": sum(count for name, count in told.items() if name in spoken),
    }
    for name, least in totals.items():
        if chance.random() < 0.93:
            told[name] = max(0, least + chance.choice((*TOKENS, chance.randrange(400_000), -1)))
    return Usage(**told)
