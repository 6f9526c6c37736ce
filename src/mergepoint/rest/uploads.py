"""Read multipart forms: files into `Upload`s, everything else as text."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast, get_args

from falcon import Request
from falcon.errors import HTTPError
from falcon.media.multipart import BodyPart, MultipartFormHandler

from ..contract import Parameter
from ..errors import InvalidArgument, Problem
from ..types import Upload
from .problems import HttpFailure
from .routes import Route

OPEN_FILES = "mergepoint.rest.files"
"""Where the WSGI environment keeps the files of a form until the answer is made."""

IN_MEMORY = 1_000_000
"""Bytes of a file that are kept in memory; a larger one goes to a temporary file."""

MOST_TEXT = 100_000
"""Bytes of one field that is no file."""

Files = dict[str, list[Upload]]


def read_form(
    environ: dict[str, Any], uploads: Sequence[Parameter], route: Route
) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Read a multipart form.

    Args:
        environ: the WSGI environment.
        uploads: the parameters that are files.
        route: says which fields may be given several times, and how long the body may be.

    Returns:
        The text fields by name, and the files in the order of `uploads`.

    Raises:
        HttpFailure: this is no such form, or it is too long.
        InvalidArgument: a file is missing, or not expected.
    """
    most = route.operation.policy.max_body
    if not (environ.get("CONTENT_TYPE") or "").lower().startswith("multipart/form-data"):
        raise HttpFailure("unsupported_media_type", "Expected multipart/form-data, for there is a file to send.")
    names = {parameter.name for parameter in uploads}
    fields: dict[str, Any] = {}
    files: Files = {}
    try:
        for part in _parts(environ, most):
            if part.name in names:
                files.setdefault(part.name, []).append(_upload(part, environ))
            else:
                _add(fields, part, route)
    except HTTPError as error:
        raise HttpFailure("malformed", f"The form cannot be read: {error.description or error.title}") from None
    return fields, tuple(_chosen(parameter, files.get(parameter.name, [])) for parameter in uploads)


class _Limited:
    """A body that ends with a failure when it is longer than allowed."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream = stream
        self._left = most
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise HttpFailure("body_too_large", f"The body is longer than {self._most} bytes.", kind="out_of_range")
        return data


def _parts(environ: dict[str, Any], most: int) -> Any:
    request = Request(environ)
    if (request.content_length or 0) > most:
        raise HttpFailure("body_too_large", f"The body is longer than {most} bytes.", kind="out_of_range")
    handler = MultipartFormHandler()
    handler.parse_options.max_body_part_buffer_size = MOST_TEXT
    stream = request.bounded_stream if request.content_length is not None else environ["wsgi.input"]
    return handler.deserialize(_Limited(stream, most), request.content_type, request.content_length)


def close_files(environ: dict[str, Any]) -> None:
    """Let go of the files that came with a request."""
    for file in environ.pop(OPEN_FILES, ()):
        file.close()


def _upload(part: BodyPart, environ: dict[str, Any]) -> Upload:
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - `close_files` closes it
    environ.setdefault(OPEN_FILES, []).append(file)
    while chunk := part.stream.read(65_536):
        file.write(chunk)
    file.seek(0)
    return Upload(part.filename or "", part.content_type, cast(BinaryIO, file))


def _add(fields: dict[str, Any], part: BodyPart, route: Route) -> None:
    if not part.name:
        raise HttpFailure("malformed", "A part of the form has no name.")
    if part.filename is not None:
        raise InvalidArgument.of(Problem(f"$.{part.name}", "Expected a value, got a file"))
    text = part.get_text()
    if part.name in route.lists:
        fields.setdefault(part.name, []).append(text)
    elif part.name in fields:
        raise InvalidArgument.of(Problem(f"$.{part.name}", "Expected one value, got several"))
    else:
        fields[part.name] = text


def _chosen(parameter: Parameter, files: list[Upload]) -> Any:
    """Return what a parameter asked for: one file, all of them, or its default."""
    if parameter.type is not Upload and type(None) not in get_args(parameter.type):
        return files
    if len(files) > 1:
        raise InvalidArgument.of(Problem(f"$.{parameter.name}", f"Expected one file, got {len(files)}"))
    if files:
        return files[0]
    if parameter.required:
        raise InvalidArgument.of(Problem(f"$.{parameter.name}", "Missing: a file"))
    return parameter.default
