"""A running subscription: one complete response for each item of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .execution import Execution, encode

if TYPE_CHECKING:
    from ..operation import Stream
    from .plan import Step


class Subscription(Iterator[bytes]):
    """The responses of one subscription. Close it when nobody wants more of them."""

    def __init__(self, step: Step, execution: Execution, complete: Callable[[Execution], bytes]) -> None:
        """Begin; the operation itself begins with the first response.

        Args:
            step: the root field.
            execution: the request.
            complete: makes a response of the execution of one item.
        """
        self._step = step
        self._execution = execution
        self._complete = complete
        self._stream: Stream | None = None
        self._over = False

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        step, execution = self._step, self._execution
        try:
            if self._stream is None:
                self._stream = execution.stream(step)
            item = execution.shaped(step.root, next(self._stream))
        except StopIteration:
            self._over = True
            raise
        except Exception as error:  # noqa: BLE001 - told is what the operation lets out
            self.close()
            told = execution.failed(error, [step.key], step.locations, step.root.operation.errors)
            return encode(None, [told])
        return self._complete(execution.of_item(step.key, item))

    def close(self) -> None:
        """End the operation now."""
        self._over = True
        if self._stream is not None:
            self._stream.close()
