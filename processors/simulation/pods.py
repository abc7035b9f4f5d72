"""Pods and their producers: every start of a pod is a producer of its own, in one partition."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.calls import NOBODY, Calls
from tokentrail.processors.simulation.company import Company

_LIFETIME_DAYS: Final = 7.0
"""How often a service is deployed, on average."""
_DAY_S: Final = 86_400.0
_ROLLOUT_S: Final = 40.0
"""Between one pod of a service and the next."""


class Pods:
    """Which producer a pod is at each moment. Deploys are ordinary; `restarts` come on top."""

    def __init__(
        self, company: Company, days: float, restarts: Iterable[tuple[int, float]], rng: np.random.Generator
    ) -> None:
        begins: list[list[float]] = [[0.0] for _ in company.pod_services]
        for service in company.services:
            for deploy in np.sort(rng.uniform(0, days * _DAY_S, rng.poisson(days / _LIFETIME_DAYS))):
                for place, pod in enumerate(service.pods):
                    begins[pod].append(float(deploy) + place * _ROLLOUT_S)
        for pod, moment in restarts:
            begins[pod].append(moment)
        self._span = days * _DAY_S * 2
        self._begins = np.array([pod * self._span + begin for pod, own in enumerate(begins) for begin in sorted(own)])
        self.pod_of = np.repeat(np.arange(len(begins)), [len(own) for own in begins])
        """By producer."""
        self.ids = [str(UUID(bytes=rng.bytes(16), version=4)) for _ in self._begins]
        """By producer, its `producer_id`."""
        first = [service.pods.start for service in company.services]
        self._first_pod = np.array(first)
        self._pods = np.array([len(service.pods) for service in company.services])
        self._service_of_route = np.array([route.service for route in company.routes])

    def assign(self, calls: Calls, rng: np.random.Generator) -> None:
        """Give each call a pod of its service, unless it has one, and the producer that the pod is when it starts."""
        service = self._service_of_route[calls["route"]]
        drawn = self._first_pod[service] + rng.integers(0, self._pods[service])
        calls["pod"] = np.where(calls["pod"] == NOBODY, drawn, calls["pod"])
        moment = np.clip(calls["start_s"], 0, self._span * 0.999)
        calls["producer"] = np.searchsorted(self._begins, calls["pod"] * self._span + moment, side="right") - 1

    def ids_between(self, pods: Iterable[int], start_s: float, end_s: float) -> list[str]:
        """Return the producers that pods are at some moment of a stretch of time."""
        wanted = set(pods)
        edges = [*self._begins, len(set(self.pod_of.tolist())) * self._span]
        return [
            self.ids[number]
            for number, (begin, end) in enumerate(pairwise(edges))
            if (pod := int(self.pod_of[number])) in wanted
            and begin - pod * self._span < end_s
            and end - pod * self._span > start_s
        ]

    def partitions(self, count: int) -> NDArray[Any]:
        """Return each producer's partition: neighbouring pods are spread, so that none stays empty."""
        return self.pod_of % count
