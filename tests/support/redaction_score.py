"""Counts what a redactor finds of labelled prompts, and what it takes for more than it is."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from labelled_prompts import Prompt

from tokentrail.producers.redaction import Redactor


class Score(NamedTuple):
    """Counts by kind: labels, labels that are gone, findings, findings on a label; and examples of the rest."""

    labelled: Counter[str]
    removed: Counter[str]
    found: Counter[str]
    rightly: Counter[str]
    missed: list[str]
    mistaken: list[str]

    def recall(self, kind: str | None = None) -> float:
        """Return the share of labels that are gone."""
        return _share(self.removed, self.labelled, kind)

    def precision(self, kind: str | None = None) -> float:
        """Return the share of findings that are on a label."""
        return _share(self.rightly, self.found, kind)


def score(redactor: Redactor, prompts: Iterable[Prompt]) -> Score:
    """Return the counts over all prompts; a label counts as removed when no character of it is left."""
    result = Score(Counter(), Counter(), Counter(), Counter(), [], [])
    for text, labels in prompts:
        spans = _in_characters(text, redactor)
        for start, end, kind in labels:
            result.labelled[kind] += 1
            covered = sum(max(0, min(end, stop) - max(start, begin)) for begin, stop, _ in spans)
            if covered == end - start:
                result.removed[kind] += 1
            else:
                result.missed.append(f"{kind}: {text[max(0, start - 20) : end + 10]!r}")
        for start, end, kind in spans:
            result.found[kind] += 1
            if any(begin < end and start < stop for begin, stop, _ in labels):
                result.rightly[kind] += 1
            else:
                result.mistaken.append(f"{kind}: {text[max(0, start - 20) : end + 10]!r}")
    return result


def _in_characters(text: str, redactor: Redactor) -> list[tuple[int, int, str]]:
    encoded = text.encode()
    if len(encoded) == len(text):
        return [(start, end, kind) for start, end, kind in redactor.find(encoded)]
    places = []
    place = 0
    for character in text:
        places.append(place)
        place += len(character.encode())
    places.append(place)
    return [
        (bisect_right(places, start) - 1, bisect_right(places, end) - 1, kind)
        for start, end, kind in redactor.find(encoded)
    ]


def _share(part: Counter[str], whole: Counter[str], kind: str | None) -> float:
    if kind is None:
        return part.total() / max(1, whole.total())
    return part[kind] / max(1, whole[kind])
