"""graphql-core with a schema written by hand."""

from functools import cache

import graphql
import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDefaultInput,
    GraphQLField,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    execute_sync,
    graphql_sync,
    parse,
    validate,
)

import records


def must(type_):
    """Return the field of a type that is never null."""
    return GraphQLField(GraphQLNonNull(type_))


Owner = GraphQLObjectType("Owner", {"id": must(GraphQLInt), "name": must(GraphQLString)})
Record = GraphQLObjectType(
    "Record",
    {
        "id": must(GraphQLInt),
        "name": must(GraphQLString),
        "price": must(GraphQLFloat),
        "quantity": must(GraphQLInt),
        "active": must(GraphQLBoolean),
        "category": GraphQLField(GraphQLString),
        "owner": GraphQLField(Owner),
    },
)
Query = GraphQLObjectType(
    "Query",
    {
        "records": GraphQLField(
            GraphQLNonNull(GraphQLList(GraphQLNonNull(Record))),
            {
                "limit": GraphQLArgument(GraphQLInt, default=GraphQLDefaultInput(records.NUMBER)),
                "gaps": GraphQLArgument(GraphQLBoolean, default=GraphQLDefaultInput(False)),
            },
            resolve=lambda source, info, limit, gaps: records.found(limit, gaps),
        ),
        "missing": GraphQLField(
            Record,
            {"id": GraphQLArgument(GraphQLNonNull(GraphQLInt))},
            resolve=lambda source, info, **given: records.missing(**given),
        ),
    },
)
schema = GraphQLSchema(Query)
version = graphql.__version__


def written(result):
    """Return a result as JSON."""
    if result.errors:
        return msgspec.json.encode({"errors": [each.formatted for each in result.errors], "data": result.data})
    return msgspec.json.encode({"data": result.data})


def answer(query, variables):
    """Return the response to a request, as its documentation shows it."""
    return written(graphql_sync(schema, query, variable_values=variables))


@cache
def document(query):
    """Return a document, parsed and validated once."""
    found = parse(query)
    assert not validate(schema, found)
    return found


def answer_cached(query, variables):
    """Return the response to a request whose document is known."""
    return written(execute_sync(schema, document(query), variable_values=variables))
