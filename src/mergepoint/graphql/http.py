"""GraphQL over HTTP as a WSGI application: queries, mutations, files, subscriptions, and a page to try them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from random import getrandbits
from typing import TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

from ..app import App
from ..errors import Internal
from ..wsgi.request import HttpFailure, too_large
from .answers import Answer
from .envelope import Asked, Envelope, malformed, read_json, read_query
from .events import Events
from .exchange import Request, RequestError
from .limits import Limits
from .multipart import Form, is_form
from .page import Page
from .prepared import Prepared
from .schema import Schema

Body: TypeAlias = Iterable[bytes]

ALLOWED = "GET, HEAD, OPTIONS, POST"

logger = logging.getLogger("mergepoint")


def wsgi(
    app: App,
    *,
    introspection: bool = False,
    graphiql: bool = False,
    limits: Limits | None = None,
    persisted: Mapping[str, str] | None = None,
    only_persisted: bool = False,
    prefix: str = "",
) -> GraphQL:
    """Return the WSGI application that serves the operations of an app over GraphQL.

    Args:
        app: whose operations to serve.
        introspection: True if anybody may ask for the schema.
        graphiql: True to answer browsers with a page to write and run operations; the page knows the schema.
        limits: how large an operation may be.
        persisted: documents by their id.
        only_persisted: True to run no other documents.
        prefix: the path it is served at, where no `Site` takes that away.

    Raises:
        RegistrationError: an operation cannot be served over GraphQL.
    """
    schema = Schema(
        app,
        introspection=introspection,
        limits=limits or Limits(),
        persisted=persisted,
        only_persisted=only_persisted,
    )
    page = Page(schema.sdl, app.name) if graphiql else None
    return GraphQL(app, schema, page=page, prefix=prefix)


class GraphQL:
    """The WSGI application of an app's operations; see `wsgi`.

    Args:
        app: whose operations to serve.
        schema: they as a schema.
        page: what browsers get; None for nothing.
        prefix: the path it is served at.
    """

    def __init__(self, app: App, schema: Schema, *, page: Page | None = None, prefix: str = "") -> None:
        self.schema = schema
        self._page = page
        self._prefix = prefix.rstrip("/")
        self._most = max((o.policy.max_body for o in app.operations.values() if o.contract.uploads), default=0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        """Answer a request, as WSGI has it (PEP 3333)."""
        answer = Answer(environ, start_response)
        try:
            return self._answer(environ, answer)
        except HttpFailure as failure:
            return answer.refuse(failure, failure.status, failure.headers)
        except Exception:  # whatever it is, the caller gets an incident number and no more
            incident = Internal(f"{getrandbits(40):010x}")
            logger.exception("Incident %s over GraphQL, request %s", incident.incident, answer.request_id)
            return answer.refuse(incident, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _answer(self, environ: WSGIEnvironment, answer: Answer) -> Body:
        path, method = self._below(environ.get("PATH_INFO", "")), environ["REQUEST_METHOD"]
        if path and self._page:
            return self._page(path, environ, answer.start_response)
        if method == "OPTIONS":
            return answer.empty([("Allow", ALLOWED)])
        if method not in ("GET", "HEAD", "POST"):
            raise _not_allowed(f"Only {ALLOWED} can be used here.")
        if self._page and method != "POST" and answer.takes.page:
            return self._page("", environ, answer.start_response)
        answer.must_be_acceptable()
        return self._exchange(environ, answer)

    def _below(self, path: str) -> str:
        """Return what a path names below ours: nothing, or one of the page's files."""
        inside = path.removeprefix(self._prefix).removesuffix("/")
        if path.startswith(self._prefix) and (not inside or (self._page and self._page.has(inside))):
            return inside
        raise HttpFailure(HTTPStatus.NOT_FOUND, "no_such_path", "There is nothing at this path.")

    def _exchange(self, environ: WSGIEnvironment, answer: Answer) -> Body:
        """Run what a request asks for; its files are there until it is answered."""
        if environ["REQUEST_METHOD"] != "POST":
            return self._run(read_query(environ), answer)
        if not is_form(environ):
            return self._run(read_json(environ), answer)
        if not self._most:
            message = "Nothing here takes files; send application/json."
            raise HttpFailure(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
        form = Form(environ, self._most)
        try:
            answered = self._run(form.asked(), answer)
        except BaseException:
            form.close()
            raise
        if isinstance(answered, Events):
            answered.release = form.close
        else:
            form.close()
        return answered

    def _run(self, asked: Asked, answer: Answer) -> Body:
        variables = asked.envelope.variables or {}
        try:
            prepared = self.schema.prepare(_request(asked.envelope))
            _must_be_allowed(prepared, answer.method, asked.size)
            if prepared.kind == "subscription":
                answer.must_take_events()
                return answer.events(prepared.subscribe(variables, answer.caller()))
            return answer.result(prepared.run(variables, answer.caller()))
        except RequestError as error:
            return answer.request_error(error)


def _must_be_allowed(prepared: Prepared, method: str, size: int) -> None:
    """Refuse a GET that would change something, and more input than the operations allow together."""
    changes = prepared.kind == "mutation" or any(operation.kind == "command" for operation in prepared.operations)
    if changes and method != "POST":
        raise _not_allowed(f"A GET changes nothing: send a {prepared.kind} with POST.", "POST")
    most = sum(operation.policy.max_body for operation in prepared.operations)
    if prepared.operations and size > most:
        raise too_large(most)


def _request(envelope: Envelope) -> Request:
    extensions = envelope.extensions or {}
    # `sha256:...` or a name, as the draft of "persisted documents" in GraphQL over HTTP has it.
    document_id = envelope.document_id.removeprefix("sha256:") if envelope.document_id else None
    if envelope.query is None and document_id is None and "persistedQuery" not in extensions:
        raise malformed('`query` is missing: send {"query": "{ ... }"}, and `variables` where it has any.')
    return Request(
        envelope.query, envelope.variables or {}, envelope.operation_name or None, extensions, document_id=document_id
    )


def _not_allowed(message: str, allow: str = ALLOWED) -> HttpFailure:
    # RFC 9110, 15.5.6: with the methods that are.
    allowed = [("Allow", allow)]
    return HttpFailure(
        HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, kind="unimplemented", headers=allowed
    )
