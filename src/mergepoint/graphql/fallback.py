"""Execution by graphql-core: of what is not compiled, and of values that are not what their types say.

No operation runs twice: what has run is taken as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec
from graphql import DocumentNode, GraphQLResolveInfo, GraphQLSchema, execute_sync
from graphql.execution.collect_fields import FieldDetails

from .execution import Execution, encode
from .gathering import Gathering
from .joins import Join
from .plan import Plan
from .roots import Root


class Fallback:
    """One request, executed by graphql-core; its resolvers find this as their context."""

    def __init__(self, plan: Plan, execution: Execution) -> None:
        self.plan = plan
        self.execution = execution

    def run(self, schema: GraphQLSchema, document: DocumentNode, name: str | None) -> bytes:
        """Return the complete response as JSON.

        Args:
            schema: the schema.
            document: a valid document.
            name: the operation to run.
        """
        result = execute_sync(schema, document, None, self, dict(self.execution.given), name)
        errors = [self.execution.told(error, self.plan.operations) for error in result.errors or ()]
        try:
            return encode(result.data, errors)
        except (msgspec.EncodeError, ValueError, TypeError, OverflowError) as error:
            # What no scalar found, such as text with half a character in it.
            return encode(None, [*errors, self.execution.unwritable(error, self.plan.operations)])

    def root(self, root: Root, arguments: dict[str, Any], info: GraphQLResolveInfo[Any]) -> Any:
        """Resolve a root field."""
        key = str(info.path.key)
        if not self.execution.has_run(key):
            self.execution.run(key, root, arguments)
        value = self.execution.outcome(key)
        group = [FieldDetails(node, None) for node in info.field_nodes]
        Gathering(self.execution, self.plan.collect).run(value, info.return_type, group, (key,))
        return value

    def joined(self, join: Join, key: Any, info: GraphQLResolveInfo[Any]) -> Any:
        """Resolve a join; its keys were asked for when its root field was resolved."""
        if key is None:
            return [] if join.many else None
        level = (*(part for part in info.path.as_list() if isinstance(part, str)), info.parent_type.name)
        return self.execution.ask(level, join, [key]).get(key, [] if join.many else None)
