"""The tool of each operation."""

from __future__ import annotations

from ...app import App
from ...errors import RegistrationError
from ...mcp.tools import Tool
from ...operation import Operation
from .addresses import Addresses


def addresses(app: App) -> Addresses:
    """Return the name of each tool; an operation that anybody could call is one only if somebody says so."""
    by_name, left_out = {}, {}
    for name, operation in app.operations.items():
        try:
            by_name[name] = _name(operation)
        except RegistrationError as error:
            left_out[name] = str(error)
    return Addresses(by_name, left_out)


def _name(operation: Operation) -> str:
    tool = Tool(operation, most=0)
    if operation.identify is None:
        raise RegistrationError("anybody could call it, so an agent gets it only by name: mergepoint mcp --tool NAME")
    return tool.listed.name
