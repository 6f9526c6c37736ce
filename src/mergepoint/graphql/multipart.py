"""Files beside an operation: the GraphQL multipart request specification, version 2."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from wsgiref.types import WSGIEnvironment

import msgspec
from falcon.errors import HTTPError
from falcon.media.multipart import BodyPart, MultipartFormHandler

from ..types import Upload
from ..wsgi.request import HttpFailure, content_length, printable, too_large
from .envelope import MOST_JSON, Asked, Envelope, from_json, malformed

PREFLIGHT = ("GraphQL-Preflight", "Apollo-Require-Preflight", "X-Requested-With")
"""A request with one of these headers was not sent by a foreign site's form: a browser would have asked before."""

IN_MEMORY = 1_000_000
"""Bytes of a file that are kept in memory; a larger one goes to a temporary file."""

MOST_MAP = 100_000
"""Bytes of the part that says where the files belong."""

_decode_map = msgspec.json.Decoder(dict[str, list[str]]).decode


def is_form(environ: WSGIEnvironment) -> bool:
    """Tell whether a request is a multipart form."""
    media_type = (environ.get("CONTENT_TYPE") or "").partition(";")[0]
    return bool(media_type.strip().lower() == "multipart/form-data")


class Form:
    """A form that was read: its files are there until it is closed.

    Args:
        environ: the request.
        most: the bytes it may have.

    Raises:
        HttpFailure: it is no such form, is too long, or a page of another site may have sent it.
    """

    def __init__(self, environ: WSGIEnvironment, most: int) -> None:
        _must_be_asked_for(environ)
        self._files: dict[str, Upload] = {}
        self._texts: dict[str, bytes] = {}
        self._size = 0
        try:
            for part in _parts(environ, most):
                self._take(part)
        except HTTPError as error:
            self.close()
            raise malformed(f"The form cannot be read: {error.description or error.title}") from None
        except BaseException:
            self.close()
            raise

    def asked(self) -> Asked:
        """Return what the form asks for, its files in their places among the variables.

        Raises:
            HttpFailure: `operations` or `map` is missing or wrong, or names a file or place that is not there.
        """
        envelope = from_json(self._text("operations"), "`operations`")
        try:
            places = _decode_map(self._text("map"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise malformed('`map` is no JSON object of lists, such as {"0": ["variables.file"]}.') from None
        if strangers := sorted(places.keys() ^ self._files.keys()):
            where = "a file, but not in `map`" if strangers[0] in self._files else "in `map`, but not a file"
            raise malformed(f"`{printable(strangers[0])}` is {where}.")
        for name, paths in places.items():
            for path, upload in zip(paths, _copies(self._files[name], len(paths)), strict=True):
                _put(envelope, path, upload)
        return Asked(envelope, self._size - len(envelope.query or ""))

    def close(self) -> None:
        """Let go of the files."""
        for upload in self._files.values():
            upload.file.close()

    def _text(self, name: str) -> bytes:
        if name not in self._texts:
            raise malformed(
                f"The form has no `{name}`; GraphQL multipart requests have `operations`, `map`, and files."
            )
        return self._texts[name]

    def _take(self, part: BodyPart) -> None:
        name = part.name
        if not name:
            raise malformed("A part of the form has no name.")
        if name in self._texts or name in self._files:
            raise malformed(f"`{printable(name)}` is there twice.")
        if name in ("operations", "map"):
            self._texts[name] = part.get_data()
            self._size += len(self._texts[name])
            if name == "map" and len(self._texts[name]) > MOST_MAP:
                raise too_large(MOST_MAP)
        else:
            file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - `close` closes it
            self._files[name] = Upload(part.filename or "", part.content_type, cast(BinaryIO, file))
            while chunk := part.stream.read(65_536):
                self._size += file.write(chunk)
            file.seek(0)


def _must_be_asked_for(environ: WSGIEnvironment) -> None:
    if not any(environ.get("HTTP_" + name.upper().replace("-", "_")) for name in PREFLIGHT):
        message = f"A form needs the header {PREFLIGHT[0]}: 1, which a page of another site could not send unasked."
        raise HttpFailure(HTTPStatus.FORBIDDEN, "preflight_required", message, kind="permission_denied")


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
            raise too_large(self._most)
        return data


class _Ending:
    """A body of a known length; a server's stream may wait for more behind it."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int | None = -1, /) -> bytes:
        data: bytes = self._stream.read(self._left if size is None or size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _parts(environ: WSGIEnvironment, most: int) -> Iterator[BodyPart]:
    length = content_length(environ)
    if (length or 0) > most:
        raise too_large(most)
    stream = environ["wsgi.input"] if length is None else _Ending(environ["wsgi.input"], length)
    handler = MultipartFormHandler()
    handler.parse_options.max_body_part_buffer_size = MOST_JSON
    # An unknown length is a long one: the body ends where the server says, or where `_Limited` does.
    form = handler.deserialize(_Limited(stream, most), environ["CONTENT_TYPE"], most + 1 if length is None else length)
    return iter(form)


def _copies(upload: Upload, count: int) -> list[Upload]:
    """Return a file as often as it is wanted, each with a position of its own and none with bytes of its own."""
    if count == 1:
        return [upload]
    views = [_View(upload.file) for _ in range(count)]  # unbuffered: the file below has its buffer
    return [Upload(upload.name, upload.media_type, cast(BinaryIO, view)) for view in views]


class _View(io.RawIOBase):
    """A file that others read too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._file.seek(self._position if whence == io.SEEK_CUR else 0)
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        self._file.seek(self._position)
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _put(envelope: Envelope, path: str, upload: Upload) -> None:
    """Put a file where `null` stands for it: `variables.file`, `variables.files.0`."""
    first, *steps = path.split(".")
    place: Any = envelope.variables
    if first != "variables" or not steps or place is None:
        raise _no_place(path)
    for step in steps[:-1]:
        place = _within(place, step, path)
    if _within(place, steps[-1], path) is not None:
        raise _no_place(path)
    place[int(steps[-1]) if isinstance(place, list) else steps[-1]] = upload


def _within(place: Any, step: str, path: str) -> Any:
    if isinstance(place, dict) and step in place:
        return place[step]
    if isinstance(place, list) and step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(place):
        return place[int(step)]
    raise _no_place(path)


def _no_place(path: str) -> HttpFailure:
    return malformed(f"`{printable(path)}` in `map` does not lead to a null among the variables.")
