"""A difference of two streams: what is the same, gone or new, run by run, read once from front to back.

Like `difflib` it asks of items that they are hashable, and nothing else: lines, words, records. Unlike it, it needs
neither side as a whole: it looks ahead as far as it must to find where both sides meet again, and no further.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, pairwise
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from newsroom.records import ChangeKind

T = TypeVar("T", bound=Hashable)

WINDOW = 256
"""Items that are looked at ahead on each side, at first."""

MOST = 16_384
"""Items that are looked at ahead at the most; a longer piece that moved in is not seen to be followed by the same."""

SURE = 3
"""Items in a row that must be the same to believe, from a window, that both sides meet there again."""

SMALL = WINDOW**2
"""Pairs of items that are compared each with each."""

RUN = 256
"""Items in a run at the most; a longer one is told in pieces."""

Match: TypeAlias = tuple[int, int]
"""Where an item is on the older and on the newer side."""


class Run(NamedTuple, Generic[T]):
    """Items that have the same fate."""

    kind: ChangeKind
    items: Sequence[T]


def difference(older: Iterable[T], newer: Iterable[T], window: int = WINDOW, most: int = MOST) -> Iterator[Run[T]]:
    """Compare two streams.

    All runs but the new ones, one after the other, are the older side; all but those that are gone are the newer.

    Args:
        older: its items, from front to back.
        newer: the other's.
        window: how many items of each side to hold at first.
        most: how many at the most, where both are long without anything in common.
    """
    return _joined(_runs(_Ahead(older), _Ahead(newer), window, most))


def _runs(old: _Ahead[T], new: _Ahead[T], window: int, most: int) -> Iterator[Run[T]]:
    while old.peek(1) or new.peek(1):
        yield from _same(old, new)
        yield from _differing(old, new, window, most)


def _joined(runs: Iterable[Run[T]]) -> Iterator[Run[T]]:
    """Join runs that follow each other and have the same fate, up to `RUN` items."""
    kind, items = ChangeKind.SAME, list[T]()
    for run in runs:
        if items and (run.kind is not kind or len(items) + len(run.items) > RUN):
            yield Run(kind, items)
            items = []
        kind = run.kind
        items.extend(run.items)
    if items:
        yield Run(kind, items)


def _same(old: _Ahead[T], new: _Ahead[T]) -> Iterator[Run[T]]:
    """Tell what both sides begin with."""
    items: list[T] = []
    while (head := old.peek(1)) and head == new.peek(1):
        old.drop(1)
        new.drop(1)
        items += head
        if len(items) == RUN:
            yield Run(ChangeKind.SAME, items)
            items = []
    if items:
        yield Run(ChangeKind.SAME, items)


def _differing(old: _Ahead[T], new: _Ahead[T], window: int, most: int) -> Iterator[Run[T]]:
    """Tell what differs up to where both sides are sure to meet again, or all there is."""
    while True:
        left, right = old.peek(window), new.peek(window)
        is_all = len(left) < window and len(right) < window
        matches = _matches(left, right)
        end = (len(left), len(right)) if is_all else _meeting(left, right, matches)
        if end is not None or window >= most:
            break
        window *= 4
    end = end or (matches[-1] if matches else (len(left), len(right)))
    yield from _between(left[: end[0]], right[: end[1]], [match for match in matches if match < end])
    old.drop(end[0])
    new.drop(end[1])


def _meeting(left: Sequence[T], right: Sequence[T], matches: Sequence[Match]) -> Match | None:
    """Find the last match that begins a row of them long enough to be no accident."""
    for i, j in reversed(matches):
        if left[i : i + SURE] == right[j : j + SURE] and i + SURE <= len(left) and j + SURE <= len(right):
            return i, j
    return None


def _between(left: Sequence[T], right: Sequence[T], matches: Sequence[Match]) -> Iterator[Run[T]]:
    """Tell the differences of two windows, given items that are matched for sure, in their order."""
    ends = [*matches, (len(left), len(right))]
    for (i, j), (next_i, next_j) in pairwise([(-1, -1), *ends]):
        if i >= 0:
            yield Run(ChangeKind.SAME, left[i : i + 1])
        yield from _gap(left[i + 1 : next_i], right[j + 1 : next_j])


def _gap(left: Sequence[T], right: Sequence[T]) -> Iterator[Run[T]]:
    """Tell the differences of two pieces without unique items in common."""
    if len(left) * len(right) > SMALL:
        yield from (*_pieces(ChangeKind.GONE, left), *_pieces(ChangeKind.NEW, right))
        return
    for tag, i, next_i, j, next_j in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from _pieces(ChangeKind.SAME, left[i:next_i])
        else:
            yield from (*_pieces(ChangeKind.GONE, left[i:next_i]), *_pieces(ChangeKind.NEW, right[j:next_j]))


def _pieces(kind: ChangeKind, items: Sequence[T]) -> Iterator[Run[T]]:
    for begin in range(0, len(items), RUN):
        yield Run(kind, items[begin : begin + RUN])


def _matches(left: Sequence[T], right: Sequence[T]) -> list[Match]:
    """Match what two windows have in common: unique items, or where that tells too little unique rows, or any rows."""
    matches = _unique(left, right)
    if _meeting(left, right, matches) is None:
        return _unique(_rows(left), _rows(right)) or _blocks(left, right) or matches
    return matches


def _rows(items: Sequence[T]) -> list[tuple[T, ...]]:
    return list(zip(*(items[begin:] for begin in range(SURE)), strict=False))


def _unique(left: Sequence[T], right: Sequence[T]) -> list[Match]:
    """Match the items that each side has once, as many as keep their order on both: a patience diff."""
    once = {item for side in (Counter(left),) for item, count in side.items() if count == 1}
    once &= {item for item, count in Counter(right).items() if count == 1}
    places = {item: place for place, item in enumerate(right) if item in once}
    return _rising([(place, places[item]) for place, item in enumerate(left) if item in once])


def _blocks(left: Sequence[T], right: Sequence[T]) -> list[Match]:
    """Match the rows of items that two small windows have in common, where no item is there but once."""
    if len(left) * len(right) > SMALL:
        return []
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    return [(i, j) for i, j, size in blocks if size >= SURE]


def _rising(matches: Sequence[Match]) -> list[Match]:
    """Pick the most matches whose second places rise as the first ones do (patience sorting)."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int | None] = []
    for number, (_, place) in enumerate(matches):
        pile = bisect_left(tops, place)
        before.append(piles[pile - 1] if pile else None)
        tops[pile : pile + 1], piles[pile : pile + 1] = [place], [number]
    picked: list[Match] = []
    at = piles[-1] if piles else None
    while at is not None:
        picked.append(matches[at])
        at = before[at]
    return picked[::-1]


class _Ahead(Generic[T]):
    """A stream that can be looked at ahead."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._seen: deque[T] = deque()

    def peek(self, count: int) -> list[T]:
        """Return the next items, fewer at the end, and leave them there."""
        if (lacking := count - len(self._seen)) > 0:
            self._seen.extend(islice(self._items, lacking))
        return list(islice(self._seen, count))

    def drop(self, count: int) -> None:
        """Go on behind the next items."""
        for _ in range(count):
            self._seen.popleft()
