"""Alembic's environment: runs migrations on the connection of `receiver.maintenance.schema`."""

from alembic import context

from receiver.storage.tables import METADATA


def run() -> None:
    given = context.config.attributes
    context.configure(
        connection=given["connection"],
        target_metadata=METADATA,
        render_as_batch=True,
        transaction_per_migration=False,
        on_version_apply=given["applied"],
    )
    # The connection is in a transaction of its owner, so this neither begins one nor commits.
    with context.begin_transaction():
        context.run_migrations()


run()  # Alembic executes this file for each migration
