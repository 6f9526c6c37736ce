"""What Alembic runs for every migration: the connection and the tables come from `mergepoint.db.migrations`."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    target_metadata=given["metadata"],
    on_version_apply=given["tell"],
    render_item=given["render"],
    include_object=given["include"],
    render_as_batch=given["connection"].dialect.name == "sqlite",  # SQLite changes a table by making a new one
)
with context.begin_transaction():
    context.run_migrations()
