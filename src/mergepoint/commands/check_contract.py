"""What `mergepoint check` finds out about the contract lock: whether the app still keeps what it promised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import lock
from ..app import App
from ..errors import MergepointError
from ..lock import AppLock, Change


class ContractError(MergepointError):
    """The code and the contract lock differ. The message has a sentence for each change, and what to do."""


class Recorded:
    """The contract of an app beside what is recorded of it.

    Args:
        app: whose contract it is.
        path: the file of the lock.
        target: how the user names the app.
    """

    def __init__(self, app: App, path: Path, target: str) -> None:
        self.app = app
        self.path = path
        self.target = target

    def check(self) -> str:
        """Compare the code with the lock.

        Raises:
            ContractError: they differ.
            LockError: the file cannot be relied on.
        """
        old, new = self._both()
        if old is None:
            return f"not recorded yet; `mergepoint check --update {self.target}` writes it to {self.path.name}"
        changes = lock.compare(old, new)
        if broken := [change for change in changes if change.breaking]:
            raise self._breaks(broken)
        if changes:
            raise ContractError(
                f"{_counted(len(changes), 'compatible change')} not in {self.path.name} yet:{_listed(changes)}"
                f"{INDENT}To record that: mergepoint check --update {self.target}"
            )
        return f"as recorded in {self.path.name}: {_size(old)}"

    def update(self, *, accept_breaking: bool) -> str:
        """Record what the code promises.

        Args:
            accept_breaking: True to record changes that break users, too.

        Raises:
            ContractError: there are such changes.
            LockError: the file cannot be relied on.
        """
        old, new = self._both()
        changes = lock.compare(old, new) if old is not None else []
        broken = [change for change in changes if change.breaking]
        if broken and not accept_breaking:
            raise self._breaks(broken)
        lock.write(self.path, self.app.name, lock.merge(old, new))
        if old is None:
            return f"written to {self.path.name}, commit it: {_size(new)}"
        if changes:
            return f"written to {self.path.name}, commit it:{_listed(changes)}"
        return f"as recorded in {self.path.name}: {_size(old)}"

    def _both(self) -> tuple[AppLock | None, AppLock]:
        return lock.read(self.path, self.app.name), lock.describe(self.app)

    def _breaks(self, broken: Sequence[Change]) -> ContractError:
        return ContractError(
            f"{_counted(len(broken), 'breaking change')} against {self.path.name}:{_listed(broken)}"
            f"{INDENT}Take that back, or accept that these users break. Numbers of what is removed stay reserved,"
            f" fields of another type get a new one: mergepoint check --update --accept-breaking {self.target}"
        )


INDENT = "\n      "
"""What the further lines of a check begin with."""


def _listed(changes: Sequence[Change]) -> str:
    return "".join(f"{INDENT}- {change.sentence}" for change in changes)


def _size(found: AppLock) -> str:
    tasks = [_counted(len(found.tasks), "task")] if found.tasks else []
    return ", ".join([_counted(len(found.operations), "operation"), *tasks, _counted(len(found.records), "record")])


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
