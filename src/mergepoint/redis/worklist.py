"""The engine that keeps jobs in Redis: every move is one script, timed by the server's clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..errors import ConfigError
from ..jobs import MOST_CRASHES, Attempt, Claim, Entry, Lane, Message, Outcome, Standing, State
from .bells import Bells
from .connection import Server
from .listing import Listing
from .reading import UNREADABLE, claims_in
from .scripts import Script

MOST_CLAIMED = 1000
"""The most jobs that one claim takes: a longer script would let others wait."""

PIECE = 500
"""The jobs that one step of a purge looks at."""

_encode = msgspec.json.Encoder(uuid_format="hex").encode


class Worklist:
    """Keeps jobs in Redis 7 or later; `mergepoint.jobs.Engine` says what its methods promise.

    Redis must keep its data: with `appendonly yes`, and `maxmemory-policy noeviction`.

    Args:
        url: the server: `redis://`, `rediss://` or `unix://`, with the options of redis-py such as `?socket_timeout=5`.
        prefix: what all its keys begin with: for `batfriend` it is `{batfriend}:`, so that Redis Cluster keeps them on
            one node. Worklists with the same prefix are one.
        name: what health reports call it.

    Attributes:
        name: the same.
        prefix: what its keys begin with, braces and colon included.

    Raises:
        ValueError: the URL is none, or the prefix has a brace inside.
    """

    def __init__(self, url: str, *, prefix: str, name: str = "worklist") -> None:
        self.name = name
        self.prefix = _tagged(prefix)
        self._server = Server(url, name=name)
        self._bells = Bells(self._server)
        self._listing = Listing(self._server, self.prefix)
        self._put = self._script("putting", "put")
        self._put_alike = Script(self._server, "put_alike")
        self._fire = self._script("putting", "fire")
        self._claim = self._script("claim")
        self._extend = self._script("extend")
        self._report = self._script("report")
        self._recover = self._script("recover")
        self._next = self._script("next")
        self._cancel = self._script("cancel")
        self._retry = self._script("retry")
        self._expedite = self._script("expedite")
        self._purge = self._script("purge")

    def __repr__(self) -> str:
        return f"<jobs in redis at {self._server.address}, {self.prefix}>"

    def put(self, messages: Sequence[Message]) -> list[str]:
        """Keep jobs, all or none, and return their ids."""
        ids = [message.id for message in messages]
        if alike := _alike(messages):
            self._put_alike(self.prefix, *alike)
        elif ids:
            others = self._put(*map(_encode, messages))
            for at in range(0, len(others), 2):
                ids[others[at]] = others[at + 1].decode()
        return ids

    def claim(
        self, worker: str, lanes: Sequence[Lane], limit: int, lease: float, outcomes: Sequence[Outcome] = ()
    ) -> list[Claim]:
        """Settle outcomes, then take jobs that are due."""
        words: list[Any] = [worker, min(limit, MOST_CLAIMED), lease, len(lanes)]
        for lane in lanes:
            words += (lane.queue, _or_none(lane.concurrency), _or_none(lane.rate))
        for outcome in outcomes:
            words += _words(outcome)
        claims = claims_in(self._claim(*words))
        if any(claim.message.operation == UNREADABLE for claim in claims):
            return self._only_readable(claims, worker)
        return claims

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Say what became of claims."""
        if outcomes:
            self.claim("", (), 0, 0.0, outcomes)

    def extend(self, worker: str, claims: Collection[Claim], lease: float) -> Standing:
        """Keep claims for some more seconds."""
        if not claims:
            return Standing(frozenset(), frozenset())
        lost, cancelled = self._extend(lease, *_flat((claim.message.id, claim.token) for claim in claims))
        return Standing(frozenset(_texts(lost)), frozenset(_texts(cancelled)))

    def recover(self, most_crashes: int = MOST_CRASHES) -> int:
        """Give back the jobs whose lease is over, and forget what was kept long enough."""
        total, more = 0, 1
        while more:
            given_back, more = self._recover(most_crashes)
            total += given_back
        return total

    def wait(self, queues: Collection[str], seconds: float) -> None:
        """Return when there may be something to claim, at the latest after some seconds."""
        microseconds = self._next(*queues) if queues else -1
        if microseconds >= 0:
            seconds = min(seconds, microseconds / 1e6)
        if seconds > 0:
            self._bells.wait([f"{self.prefix}bell:{queue}" for queue in queues] or [f"{self.prefix}bell"], seconds)

    def wake(self) -> None:
        """End every `wait` of this process now."""
        self._bells.wake()

    def report(self, claim: Claim, progress: float, note: str) -> bool:
        """Note how far a running job is; False if its worker shall stop it."""
        return bool(self._report(claim.message.id, claim.token, repr(float(progress)), note))

    # --- for people ---

    def get(self, id: str) -> Entry | None:
        """Return what is known of a job, or None."""
        return self._listing.get(id)

    def entries(
        self,
        *,
        states: Collection[State] = (),
        queue: str | None = None,
        operation: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """Return jobs, the newest first."""

        def fits(entry: Entry) -> bool:
            message = entry.message
            return (operation is None or message.operation == operation) and (owner is None or message.owner == owner)

        return self._listing.entries(states, queue, before, fits, limit)

    def counts(self) -> dict[tuple[str, State], int]:
        """Return how many jobs there are, by queue and state."""
        return self._listing.counts()

    def cancel(self, ids: Collection[str]) -> list[str]:
        """Cancel jobs, and what waits for them; ask those that run to stop."""
        return _texts(self._cancel(*ids))

    def retry(self, ids: Collection[str]) -> list[str]:
        """Put dead and cancelled jobs back, due now."""
        return _texts(self._retry(*ids))

    def expedite(self, ids: Collection[str]) -> list[str]:
        """Make waiting jobs due now, before all others."""
        return _texts(self._expedite(*ids))

    def purge(self, states: Collection[State], before: float | None = None) -> int:
        """Forget jobs in these states, `running` ones never, last changed before a time."""
        wanted = [state for state in states if state != "running"]
        edge = "" if before is None else round(before * 1e6)
        return sum(self._purge_one(key, edge) for key in (self._listing.keys(wanted) if wanted else []))

    # --- for schedules and sweeps ---

    def fire(self, schedule: str, tick: float, messages: Sequence[Message]) -> bool:
        """Put jobs in for a tick, unless this tick or a later one was fired."""
        return bool(self._fire(schedule, repr(float(tick)), *map(_encode, messages)))

    def begin(self, schedule: str, tick: float) -> None:
        """Let a schedule begin after a tick, unless one was fired or begun from before."""
        self._server.call("HSETNX", f"{self.prefix}ticks", schedule, repr(float(tick)))

    def last_tick(self, schedule: str) -> float | None:
        """Return the tick that was last fired, or None."""
        tick = self._server.call("HGET", f"{self.prefix}ticks", schedule)
        return None if tick is None else float(tick)

    def load(self, name: str) -> bytes | None:
        """Return what was last saved under a name."""
        value: bytes | None = self._server.call("HGET", f"{self.prefix}saved", name)
        return value

    def save(self, name: str, value: bytes) -> None:
        """Keep a few bytes under a name."""
        self._server.call("HSET", f"{self.prefix}saved", name, value)

    # --- as a resource of an app ---

    def check(self) -> None:
        """Raise what keeps it from working.

        Raises:
            RedisUnavailable: the server does not answer.
            ConfigError: it may throw jobs away when its memory is full.
        """
        self._server.call("EXISTS", f"{self.prefix}queues")
        info = dict(_facts(self._server.call("INFO", "memory")))
        policy = info.get("maxmemory_policy", "noeviction")
        if info.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
            raise ConfigError(
                f"{self.name} ({self._server.address}) may throw jobs away when its memory is full: its"
                f" maxmemory-policy is {policy}. Set it to noeviction."
            )

    def close(self) -> None:
        """Let go of connections."""
        self._bells.wake()
        self._server.close()

    # --- what they share ---

    def _script(self, *parts: str) -> Callable[..., Any]:
        script, prefix = Script(self._server, "common", *parts), self.prefix
        return lambda *arguments: script(prefix, *arguments)

    def _purge_one(self, key: str, edge: int | str) -> int:
        total: int = 0
        kept = 0
        while True:
            seen, gone = self._purge(key, edge, kept, PIECE)
            total += gone
            kept += seen - gone
            if seen < PIECE:
                return total

    def _only_readable(self, claims: list[Claim], worker: str) -> list[Claim]:
        """Send those whose message is none to the dead letters: no worker of this version can run them."""
        good = [claim for claim in claims if claim.message.operation != UNREADABLE]
        self.settle([_hopeless(claim, worker) for claim in claims if claim.message.operation == UNREADABLE])
        return good


def _alike(messages: Sequence[Message]) -> list[Any]:
    """Return what `put_alike` is told of messages; nothing if they are not for it."""
    if not messages:
        return []
    first = messages[0]
    queue, priority, keep = first.queue, first.priority, first.keep
    words: list[Any] = [queue, priority, keep]
    for m in messages:
        if m.at is not None or m.delay or m.needs or m.unique is not None or m.then is not None:
            return []
        if m.queue != queue or m.priority != priority or m.keep != keep:
            return []
        words += (m.id, _encode(m))
    return words


def _tagged(prefix: str) -> str:
    tag = prefix.strip("{}:")
    if not tag or "{" in tag or "}" in tag:
        raise ValueError(f"A prefix is a name such as 'batfriend', got {prefix!r}.")
    return f"{{{tag}}}:"


def _or_none(limit: float | None) -> float | str:
    return "" if limit is None else limit


def _words(outcome: Outcome) -> tuple[Any, ...]:
    claim, attempt = outcome.claim, outcome.attempt
    return (
        claim.message.id,
        claim.token,
        outcome.verdict,
        outcome.delay,
        outcome.result or b"",
        b"" if attempt is None else _encode(attempt),
    )


def _hopeless(claim: Claim, worker: str) -> Outcome:
    text = "Its message is not one; docs/jobs-redis.md says what it has to be."
    attempt = Attempt(claim.attempts, worker, datetime.now(UTC), 0.0, "failed", "unreadable_message", text)
    return Outcome(claim, "dead", attempt=attempt)


def _texts(ids: Iterable[bytes]) -> list[str]:
    return [id.decode() for id in ids]


def _flat(pairs: Iterable[tuple[Any, Any]]) -> Iterator[Any]:
    for pair in pairs:
        yield from pair


def _facts(info: bytes) -> Iterator[tuple[str, str]]:
    """Read what INFO says: lines with a name, a colon and a value."""
    for line in info.decode().splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name, value
