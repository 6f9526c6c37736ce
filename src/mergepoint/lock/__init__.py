"""The contract lock: what an app promises on every protocol, with its numbers, and what a change of it breaks."""

from .comparison import compare
from .describing import describe, fingerprint
from .effects import Change
from .entries import AppLock, ErrorLock, Message, OperationLock, Slot, union_name
from .file import NAME, LockError, read, write
from .numbering import merge

__all__ = [
    "NAME",
    "AppLock",
    "Change",
    "ErrorLock",
    "LockError",
    "Message",
    "OperationLock",
    "Slot",
    "compare",
    "describe",
    "fingerprint",
    "merge",
    "read",
    "union_name",
    "write",
]
