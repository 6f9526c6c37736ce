"""How long a job waits before it is tried again."""

from __future__ import annotations

from random import uniform

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Delays that grow with each failure, each by chance up to half shorter or longer, so that jobs spread out.

    Attributes:
        first: seconds after the first failure.
        factor: how many times longer each further one is.
        most: the longest, before chance.
    """

    first: float = 1.0
    factor: float = 2.0
    most: float = 3600.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures, the last one included."""
        steps = min(failures - 1, 64)  # beyond that any sensible delay has reached its most, and floats overflow
        return min(self.most, self.first * self.factor**steps) * uniform(0.5, 1.5)  # noqa: S311 - nothing secret
