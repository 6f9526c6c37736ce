"""Mergepoint: plain typed callables become a whole backend.

Adapters and parts are imported by path: `from mergepoint import rest`.
"""

from .access import anyone, role, signed_in
from .app import App
from .call import Call
from .errors import Failure
from .types import UNSET, Download, Id, Meta, Page, Progress, Sensitive, Unset, Upload

__all__ = [
    "UNSET",
    "App",
    "Call",
    "Download",
    "Failure",
    "Id",
    "Meta",
    "Page",
    "Progress",
    "Sensitive",
    "Unset",
    "Upload",
    "anyone",
    "role",
    "signed_in",
]
