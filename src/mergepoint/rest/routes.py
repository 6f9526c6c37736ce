"""Where each operation stands over HTTP: method, path, and where each of its parameters comes from."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
import msgspec.inspect as mi
from msgspec.structs import replace

from ..app import App
from ..contract import Parameter
from ..errors import RegistrationError
from ..jobs import Job
from ..operation import Operation

Place = Literal["path", "query", "body", "form"]

PLACEHOLDER = re.compile(r"\{(\w+)\}")
"""A parameter in a path template."""

_TEXT = (
    mi.BoolType, mi.DateTimeType, mi.DateType, mi.DecimalType, mi.EnumType, mi.FloatType, mi.IntType,
    mi.LiteralType, mi.NoneType, mi.StrType, mi.TimeDeltaType, mi.TimeType, mi.UUIDType,
)  # fmt: skip
_LISTS = (mi.ListType, mi.SetType, mi.FrozenSetType, mi.VarTupleType)


class Route(msgspec.Struct, frozen=True):
    """One operation over HTTP.

    Attributes:
        operation: what it runs.
        method: such as `GET`.
        path: the template below the prefix, such as `/bats/{id}`.
        status: the status code of success.
        in_path: the parameters in the path, in its order.
        places: where each parameter comes from, by name.
        whole_body: the parameter that is the whole body, if one is.
        lists: the parameters that a query may name several times.
        location: the path of what it made, filled from the fields of its result; None for none.
    """

    operation: Operation
    method: str
    path: str
    status: int
    in_path: tuple[str, ...]
    places: dict[str, Place]
    whole_body: str | None
    lists: frozenset[str]
    location: str | None

    @property
    def safe(self) -> bool:
        """True for a GET."""
        return self.method == "GET"


def routes(app: App) -> list[Route]:
    """Return the routes of all operations of an app.

    Raises:
        RegistrationError: an operation cannot be served over HTTP; the message says why and what to do.
    """
    found: dict[tuple[str, str], Route] = {}
    for operation in app.operations.values():
        route = _route(operation)
        key = (route.method, PLACEHOLDER.sub("{}", route.path))
        if key in found:
            raise RegistrationError(
                f"{operation.name}: {route.method} {route.path} already leads to"
                f" {found[key].operation.name}; give one of them another path with http=..."
            )
        found[key] = route
    return _with_jobs_located(list(found.values()))


def _route(operation: Operation) -> Route:
    method, path = _method_and_path(operation)
    places = _places(operation, method, path)
    for parameter in operation.contract.parameters:
        _must_fit(operation, parameter, places[parameter.name])
    if operation.contract.uploads and method == "GET":
        raise RegistrationError(f"{operation.name}: a GET carries no file; make it a command.")
    return Route(
        operation=operation,
        method=method,
        path=path,
        status=_status(operation),
        in_path=tuple(PLACEHOLDER.findall(path)),
        places=places,
        whole_body=operation.policy.body,
        lists=frozenset(p.name for p in operation.contract.parameters if isinstance(_bare(p.type), _LISTS)),
        location=operation.policy.location,
    )


def _with_jobs_located(found: list[Route]) -> list[Route]:
    """Let background commands say where their job can be looked at: at the first query of an `id` that gives one."""
    path = next((route.path for route in found if _shows_job(route)), None)
    return [replace(route, location=path) if route.operation.policy.background else route for route in found]


def _shows_job(route: Route) -> bool:
    contract = route.operation.contract
    gives_job = contract.gives == "value" and contract.result is not None and contract.result.type is Job
    return route.safe and route.in_path == ("id",) and gives_job


def _method_and_path(operation: Operation) -> tuple[str, str]:
    if operation.policy.http:
        method, path = operation.policy.http.split(" ")
        return method, path
    return "GET" if operation.kind == "query" else "POST", "/" + operation.name.replace(".", "/")


def _status(operation: Operation) -> int:
    if operation.policy.status:
        return operation.policy.status
    if operation.policy.background:
        return 202
    return 204 if operation.contract.gives == "nothing" else 200


def _places(operation: Operation, method: str, path: str) -> dict[str, Place]:
    in_path = set(PLACEHOLDER.findall(path))
    whole = operation.policy.body
    rest: Place = "query" if method in ("GET", "DELETE") or whole else "body"
    if operation.contract.uploads:
        rest = "form"
    places: dict[str, Place] = {}
    for parameter in (*operation.contract.parameters, *operation.contract.uploads):
        name = parameter.name
        places[name] = "path" if name in in_path else "body" if name == whole else rest
    return places


def _must_fit(operation: Operation, parameter: Parameter, place: Place) -> None:
    if place == "body":
        return
    info = _bare(parameter.type)
    if place == "path" and not parameter.required:
        raise RegistrationError(f"{operation.name}: `{parameter.name}` is in the path; it cannot have a default.")
    if isinstance(info, _LISTS) and place != "path":
        info = _bare_info(info.item_type)
    if not _is_text(info):
        remedy = (
            "Take its fields as parameters, or send it in the body of a command."
            if place == "query"
            else "Take plain values there."
        )
        raise RegistrationError(
            f"{operation.name}: `{parameter.name}` is a {getattr(parameter.type, '__name__', parameter.type)},"
            f" which the {place} cannot hold. {remedy}"
        )


def _is_text(info: mi.Type) -> bool:
    if isinstance(info, mi.UnionType):
        return all(_is_text(_bare_info(member)) for member in info.types)
    return isinstance(info, _TEXT)


def _bare(hint: Any) -> mi.Type:
    return _bare_info(mi.type_info(hint))


def _bare_info(info: mi.Type) -> mi.Type:
    """Return a type without what was noted on it and, where None is allowed too, without that."""
    if isinstance(info, mi.Metadata):
        return _bare_info(info.type)
    if isinstance(info, mi.UnionType):
        present = [member for member in info.types if not isinstance(member, mi.NoneType)]
        return _bare_info(present[0]) if len(present) == 1 else info
    return info
