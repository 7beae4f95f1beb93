"""Alembic's way in: runs migrations on the connection that `receiver.maintenance.schema` hands over."""

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
    # The connection is in its owner's transaction already, so that this neither begins one nor commits.
    with context.begin_transaction():
        context.run_migrations()


run()  # Alembic executes this file whenever it migrates; nobody imports it
