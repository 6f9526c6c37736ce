"""The conformance suite through every adapter and every place: one operation means the same wherever it is called."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache

import attrs
import pytest
from tests.drivers import agents, commands, graphs, grpc, http, zeromq

from mergepoint import App, Id
from mergepoint.testing import conformance
from mergepoint.testing.comparison import same
from mergepoint.testing.conformance import Called, Case, Direct, Driver, Placed, Service

DRIVERS: dict[str, Driver] = {
    "direct": Direct(),
    "operation": Called(),
    "rest": http.Rest(),
    "cli": commands.CommandLine(),
    "graphql": graphs.GraphQL(),
    "grpc": grpc.Grpc(),
    "mcp": agents.Agent(),
    "zmq": zeromq.ZeroMQ(),
    "place-local": Placed(conformance.build, "local", {"checks": Called.lacks["checks"]}),
    "place-loopback": Placed(conformance.build, "loopback"),
    "place-http": Placed(conformance.build, http.hosted),
    "place-grpc": Placed(conformance.build, grpc.hosted),
    "place-zmq": Placed(conformance.build, zeromq.hosted),
}

Connect = Callable[[str, Case], Service]


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    """Return a function that connects to the suite's app over a protocol; cases with the same metadata share it."""
    with ExitStack() as connections:

        @cache
        def connected(name: str, metadata: frozenset[tuple[str, str]]) -> Service:
            connection = DRIVERS[name].connect(conformance.build(), Service, dict(metadata))
            return connections.enter_context(connection)

        yield lambda name, case: connected(name, frozenset(case.metadata.items()))


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(
            name, case, id=f"{name}-{case}", marks=pytest.mark.skipif(bool(reason), reason=f"{name}: {reason}")
        )
        for name, driver in DRIVERS.items()
        for case in conformance.cases()
        for reason in [case.left_out(driver)]
    ],
)
def test_a_protocol_keeps_its_promises(name: str, case: Case, connect: Connect) -> None:
    """Every case of the suite holds over every protocol that can carry it."""
    case.check(connect(name, case))


@attrs.frozen
class Bat:
    """A record of attrs."""

    id: Id
    name: str = "Flap"
    seen: tuple[datetime, ...] = ()


class Cave:
    """A service whose records are of attrs."""

    def keep(self, bat: Bat) -> Bat:
        """Answer with a bat."""
        return bat


@pytest.mark.parametrize("name", [name for name in DRIVERS if not name.startswith("place-")])
def test_records_of_attrs_travel_as_others_do(name: str) -> None:
    """A driver reaches any app: one with records of attrs, which not every user of the suite has, for instance."""
    app, noon = App("cave"), datetime(2026, 11, 21, 12, tzinfo=UTC)
    app.command(Cave().keep)
    with DRIVERS[name].connect(app, Cave, {}) as cave:
        for bat in (Bat(2**62), Bat(1, "Echo", (noon,))):
            same(cave.keep(bat), bat)
