"""What Alembic runs: upgrades within the transaction of the connection that `schema.bring_up_to_date` hands over."""

from alembic import context

from fingerprint.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # Alembic takes SQLite to have none
)
context.run_migrations()
