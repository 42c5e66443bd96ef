"""Runs the migrations on the connection that `oort.queue.database` hands over."""

from alembic import context

from oort.queue.models import METADATA, tell_postgresql

if context.config.attributes["connection"].dialect.name == "postgresql":
    tell_postgresql()
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
