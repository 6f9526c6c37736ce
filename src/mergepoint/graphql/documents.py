"""Documents: found by their text or name, read, checked and limited once, and remembered."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)

from ..errors import RegistrationError
from .cost import cost_of
from .exchange import Request
from .failures import refusal, refusal_of
from .limits import Limits, must_be_within, parts, too_large
from .prepared import Prepared

MOST_TEXT = 250_000
"""Characters of documents that are remembered; a tree takes some 400 times their room."""

MOST_ERRORS = 20
"""Errors of one document that are told."""

Key = tuple[str, str | None]
"""A text, and the name of the operation in it."""


class Documents:
    """The documents that a schema has met."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, introspection: bool) -> None:
        """Begin without any.

        Args:
            schema: what they must be valid for.
            limits: what they may hold at most.
            introspection: True if they may ask for the schema itself.
        """
        self._schema = schema
        self._limits = limits
        self._introspection = introspection
        self._known: OrderedDict[Key, Prepared] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def prepare(self, text: str, operation_name: str | None) -> Prepared:
        """Return an operation of a document, from memory if it was met before.

        Raises:
            RequestError: the document is refused, or has no such operation.
        """
        key = text, operation_name
        found = self._known.get(key)
        if found is None:
            found = self._read(text, operation_name)
            self._remember(key, found)
        elif self._size > MOST_TEXT // 2:  # below that nothing is forgotten soon, so the order does not matter
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
        return found

    def _remember(self, key: Key, prepared: Prepared) -> None:
        with self._lock:
            if key not in self._known:
                self._known[key] = prepared
                self._size += len(key[0])
            while self._size > MOST_TEXT:
                oldest, _ = self._known.popitem(last=False)
                self._size -= len(oldest[0])

    def _read(self, text: str, operation_name: str | None) -> Prepared:
        document = self._parsed(text)
        must_be_within(document, self._limits)
        self._must_be_valid(document)
        operation = _chosen(document, operation_name)
        cost = cost_of(self._schema, document, operation, self._limits.cost)
        if not cost.pages:
            cost.check({})
        return Prepared(self._schema, document, operation, cost, suggest=self._introspection)

    def _parsed(self, text: str) -> DocumentNode:
        limits = self._limits
        if len(text) > limits.bytes or len(text.encode(errors="replace")) > limits.bytes:
            raise too_large("bytes", f"more than {limits.bytes:,}", limits.bytes, "Send a shorter one.")
        try:
            return parse(text, max_lexical_tokens=limits.tokens, max_comments=limits.tokens)
        except GraphQLSyntaxError as error:
            if "Parsing aborted" in error.message and "more than" in error.message:
                raise too_large(
                    "tokens", f"more than {limits.tokens:,}", limits.tokens, "Send a shorter one."
                ) from None
            raise refusal_of([error], "malformed") from None
        except GraphQLError as error:  # nested too deeply
            raise refusal_of([error], "malformed") from None

    def _must_be_valid(self, document: DocumentNode) -> None:
        suggest = self._introspection
        errors = validate(self._schema, document, specified_rules, max_errors=MOST_ERRORS, hide_suggestions=not suggest)
        if errors:
            raise refusal_of(errors, "invalid_document")
        if not self._introspection and validate(self._schema, document, [NoSchemaIntrospectionCustomRule], 1):
            raise refusal(
                "introspection_off",
                "Introspection is off here. The application allows it with introspection=True;"
                " `mergepoint graphql schema` prints the schema.",
                kind="permission_denied",
            )


def _chosen(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation to run (GraphQL, 6.1)."""
    operations, _ = parts(document)
    if name is None and len(operations) == 1:
        return operations[0]
    if name is None:
        raise refusal(
            "no_such_operation", f"The document has {len(operations)} operations; say which to run by its name."
        )
    for operation in operations:
        if operation.name and operation.name.value == name:
            return operation
    raise refusal("no_such_operation", "The document has no operation of this name.")


class Persisted:
    """The documents that clients may name instead of sending them."""

    def __init__(self, documents: Mapping[str, str] | None, *, only: bool) -> None:
        """Keep documents.

        Args:
            documents: texts by name or SHA-256.
            only: True to refuse every other document.

        Raises:
            RegistrationError: that is not what they are, or there are none though only they may run.
        """
        texts = documents if documents is not None else {}
        if not (isinstance(texts, Mapping) and all(isinstance(text, str) for pair in texts.items() for text in pair)):
            raise RegistrationError("GraphQL: persisted= takes texts by name: {'bats': '{ bats { nodes { name } } }'}.")
        if only and not texts:
            raise RegistrationError("GraphQL: only_persisted=True, but persisted= has no documents; nothing could run.")
        self._by_name = dict(texts)
        self._by_hash = {_hash(text): text for text in self._by_name.values()}
        self._only = only

    def text(self, request: Request) -> str:
        """Return the document that a request asks for.

        Raises:
            RequestError: there is none, it is not known, or another one than the request says.
        """
        named = request.document_id or _hash_of(request.extensions)
        if request.query is None:
            if named is None:
                raise refusal("no_document", "The request has no `query`, which is the document to run.")
            return self._found(named)
        if self._only and _hash(request.query) not in self._by_hash:
            raise refusal(
                "not_persisted", "Only documents that the application knows run here.", kind="permission_denied"
            )
        given = _hash_of(request.extensions)
        if given is not None and given != _hash(request.query):
            raise refusal("wrong_hash", "`persistedQuery.sha256Hash` is not the SHA-256 of `query`.")
        return request.query

    def _found(self, name: str) -> str:
        text = self._by_hash.get(name.lower(), self._by_name.get(name))
        if text is None:
            # The message and the code are those that clients of persisted queries look for.
            error = refusal("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound", kind="not_found")
            raise error
        return text


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _hash_of(extensions: Mapping[str, Any]) -> str | None:
    asked = extensions.get("persistedQuery")
    if asked is None:
        return None
    hashed = asked.get("sha256Hash") if isinstance(asked, dict) else None
    if not isinstance(hashed, str):
        raise refusal("malformed", "`extensions.persistedQuery` needs a `sha256Hash`, a text.")
    return hashed
