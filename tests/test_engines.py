"""The conformance suite on every engine: a job means the same wherever it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from tests.databases import KINDS, database_url
from tests.redises import prefixed

from mergepoint.db import Database
from mergepoint.jobs import Engine
from mergepoint.redis import Worklist
from mergepoint.tasks.tables import Tables
from mergepoint.testing import engines
from mergepoint.testing.engines import Case, Workshop

Open = Callable[[str], Workshop]


@contextmanager
def tables(kind: str, folder: Path) -> Iterator[Workshop]:
    """Make an empty database, and give what makes engines on it; one in memory is the database's object."""
    with database_url(kind, folder) as url, ExitStack() as opened:
        shared = Database(url)
        opened.callback(shared.close)

        def make() -> Engine:
            db = shared if kind == "memory" else Database(url)
            opened.callback(db.close)
            return Tables(db)

        yield reusing(make, opened)


@contextmanager
def worklist(kind: str, folder: Path) -> Iterator[Workshop]:
    """Give what makes worklists with a prefix of their own, whose keys are gone afterwards."""
    with prefixed() as (url, prefix), ExitStack() as opened:
        yield reusing(lambda: Worklist(url, prefix=prefix), opened)


def reusing(make: Callable[[], Engine], opened: ExitStack) -> Workshop:
    """Return a workshop whose engines are used by one case after the other, and closed in the end."""
    free: list[Engine] = []

    @contextmanager
    def workshop() -> Iterator[Engine]:
        if not free:
            free.append(make())
            opened.callback(free[0].close)
        engine = free.pop()
        try:
            yield engine
        finally:
            free.append(engine)

    return workshop


STORES: dict[str, Callable[[str, Path], AbstractContextManager[Workshop]]] = {
    **dict.fromkeys(KINDS, tables),
    "redis": worklist,
}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Return a function that gives a workshop on a store of a kind; all cases share the store."""
    with ExitStack() as stores:

        @cache
        def opened(kind: str) -> Workshop:
            return stores.enter_context(STORES[kind](kind, tmp_path_factory.mktemp(kind)))

        yield opened


@pytest.mark.parametrize("case", engines.cases(), ids=str)
@pytest.mark.parametrize("kind", STORES)
def test_an_engine_keeps_its_promises(kind: str, case: Case, workshop: Open) -> None:
    """Every case of the suite holds on every engine."""
    case.run(workshop(kind))
