"""What Alembic runs for every migration: the connection and the tables come from `mergepoint.db.migrations`."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    compare_server_default=False,
    # SQLite changes a table by making a new one.
    render_as_batch=connection.dialect.name == "sqlite",
    user_module_prefix=None,
)
with context.begin_transaction():
    context.run_migrations()
