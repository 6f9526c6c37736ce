"""The queues that a worker serves, in an order of its own for each claim, so that none of them starves."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from random import random

from ..errors import ConfigError
from ..jobs import Lane


class Lanes:
    """The lanes of a worker.

    Args:
        lanes: all lanes of the app.
        weights: how often a queue comes first compared to others, by its name; only these are served, all if empty.

    Attributes:
        queues: the names of those that are served.
        free: the names of those without limits.

    Raises:
        ConfigError: there is no such queue, or a weight is not more than 0.
    """

    def __init__(self, lanes: Sequence[Lane], weights: Mapping[str, float] | None = None) -> None:
        known = {lane.queue: lane for lane in lanes}
        weights = weights or dict.fromkeys(known, 1.0)
        for queue, weight in weights.items():
            _must_be_usable(queue, weight, list(known))
        self.queues = list(weights)
        self.free = [queue for queue in weights if not known[queue].limited]
        self._weighted = [(known[queue], 1.0 / weight) for queue, weight in weights.items()]
        self._only = [known[queue] for queue in weights] if len(weights) == 1 else None

    def order(self) -> list[Lane]:
        """Return the lanes in a random order in which greater weights tend to come first.

        The share of claims in which a lane is the first is that of its weight (Efraimidis and Spirakis, 2006).
        """
        return self._only or [lane for lane, _ in sorted(self._weighted, key=_chance, reverse=True)]


def _chance(weighted: tuple[Lane, float]) -> float:
    chance: float = random() ** weighted[1]  # noqa: S311 - nothing secret
    return chance


def _must_be_usable(queue: str, weight: float, known: list[str]) -> None:
    if queue not in known:
        near = difflib.get_close_matches(queue, known, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"the app has {', '.join(map(repr, known))}."
        raise ConfigError(f"There is no queue {queue!r}; {remedy}")
    if not weight > 0:
        raise ConfigError(f"Expected a weight of queue {queue!r} that is more than 0, got {weight:g}.")
