"""The subcommands of `mergepoint`, one module each, and the group that imports them when they are asked for."""

from .lazy import Commands

__all__ = ["Commands"]
