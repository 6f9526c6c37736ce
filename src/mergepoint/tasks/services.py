"""The methods of a service, each of which puts in a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..stub import Stub, public_methods


def is_function(callee: Any) -> bool:
    """Tell whether this is called itself: a function, a bound method, or an object that is callable and named."""
    return callable(callee) and hasattr(callee, "__name__")


def methods(service: Any) -> list[tuple[str, Callable[..., Any]]]:
    """Return the public methods of a service, or of what stands for one at a place."""
    if isinstance(service, Stub):
        return [(name, method) for name, method in vars(service).items() if not name.startswith("_")]
    return [(name, getattr(service, name)) for name, _ in public_methods(type(service))]
