"""The GraphQL schema of an app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    print_schema,
    validate_schema,
)

from ..app import App
from ..errors import RegistrationError
from .documents import Documents, Persisted
from .exchange import Request
from .joins import add_joins
from .limits import Limits
from .naming import Names
from .prepared import Prepared
from .roots import Roots

DEFAULT_LIMITS = Limits()


class Schema:
    """The operations of an app as a GraphQL schema.

    Attributes:
        sdl: the schema in the schema definition language.
        left_out: the operations that GraphQL cannot carry, and why.
    """

    def __init__(
        self,
        app: App,
        *,
        introspection: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        persisted: Mapping[str, str] | None = None,
        only_persisted: bool = False,
    ) -> None:
        """Build the schema.

        Args:
            app: whose operations to serve.
            introspection: True if callers may ask for the schema itself.
            limits: what a request may ask for at most.
            persisted: documents that clients may name instead of sending them, by name or SHA-256.
            only_persisted: True to refuse every other document.

        Raises:
            RegistrationError: names collide, or a join is wrongly declared.
        """
        roots = Roots(app.operations, Names())
        self.left_out = roots.left_out
        self._schema = _schema(app, roots)
        self.sdl = print_schema(self._schema)
        self._persisted = Persisted(persisted, only=only_persisted)
        self._documents = Documents(self._schema, limits, introspection=introspection)

    def prepare(self, request: Request) -> Prepared:
        """Read, check and limit the document of a request; what is known already is not read again.

        Raises:
            RequestError: the document is refused.
        """
        return self._documents.prepare(self._persisted.text(request), request.operation_name)


def _schema(app: App, roots: Roots) -> GraphQLSchema:
    add_joins(app.operations, roots.outputs, roots.left_out)
    roots.outputs.finish()
    query = roots.fields["query"] or {"_service": _service(app.name)}
    schema = GraphQLSchema(
        GraphQLObjectType("Query", query),
        _root_type("Mutation", roots.fields["mutation"]),
        _root_type("Subscription", roots.fields["subscription"]),
    )
    if errors := validate_schema(schema):
        raise RegistrationError(f"GraphQL: {app.name} makes no valid schema: {errors[0].message}")
    return schema


def _service(name: str) -> GraphQLField:
    """Return the field of an app without queries: GraphQL wants at least one (GraphQL, 3.3.1)."""
    return GraphQLField(
        GraphQLNonNull(GraphQLString), resolve=lambda source, info: name, description="The name of the application."
    )


def _root_type(name: str, fields: dict[str, Any]) -> GraphQLObjectType | None:
    return GraphQLObjectType(name, fields) if fields else None
