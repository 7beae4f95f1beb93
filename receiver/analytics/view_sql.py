"""SQL of the views for analysts. Phone numbers are masked; moments have the database's type."""

from sqlalchemy import Connection, text

from receiver.analytics.views import RELATIONS, Dialect, Relation, ViewColumn
from receiver.storage.bulk import is_postgres


def shown(field: ViewColumn, dialect: Dialect) -> str:
    """Return the SQL of a column in a view, with masked phone numbers."""
    match field.kind:
        case "time" if dialect == "postgresql":
            return f"to_timestamp({field.source})"
        case "time":
            return f"strftime('%Y-%m-%dT%H:%M:%fZ', {field.source}, 'unixepoch')"
        case "number":
            return masked_number(field.source)
        case "free":
            return masked_text(field.source, dialect)
    return field.source


def masked_number(source: str) -> str:
    """Mask a number except its first digits and last two, a short one except the last two."""
    begin = f"CASE WHEN substr({source}, 1, 1) = '+' THEN 4 ELSE 3 END"
    head = f"CASE WHEN length({source}) >= 9 THEN substr({source}, 1, {begin}) ELSE '' END"
    last = f"substr({source}, length({source}) - 1)"
    return f"CASE WHEN length({source}) <= 4 THEN {source} ELSE {head} || '•••' || {last} END"


def masked_text(source: str, dialect: Dialect) -> str:
    """Mask a text with seven or more digits as a whole, since it may be a phone number."""
    if dialect == "postgresql":
        has_many = f"{source} ~ '([0-9][^0-9]*){{7}}'"
    else:
        has_many = f"{source} GLOB '{'*[0-9]' * 7}*'"
    return f"CASE WHEN {has_many} THEN '•••' ELSE {source} END"


def make_views(connection: Connection) -> None:
    """Create the views of this version."""
    dialect: Dialect = "postgresql" if is_postgres(connection) else "sqlite"
    for relation in RELATIONS.values():
        if relation.view:
            columns = ", ".join(f"{shown(field, dialect)} AS {field.name}" for field in relation.fields)
            statement = f"CREATE VIEW {relation.view} AS SELECT {columns} FROM {relation.tables}"  # noqa: S608 - our own words
            connection.exec_driver_sql(statement.replace("%", "%%") if dialect == "postgresql" else statement)
            if dialect == "postgresql":
                _comment(connection, relation)


def _comment(connection: Connection, relation: Relation) -> None:
    """Write the meaning of each column into the database's comments."""
    about = {f"VIEW {relation.view}": relation.about} | {
        f"COLUMN {relation.view}.{field.name}": field.about for field in relation.fields
    }
    for name, meaning in about.items():
        quoted = meaning.replace("'", "''").replace("%", "%%")
        connection.exec_driver_sql(f"COMMENT ON {name} IS '{quoted}'")


def drop_views(connection: Connection) -> None:
    """Drop the views before a migration: PostgreSQL does not drop columns that a view uses."""
    for relation in RELATIONS.values():
        if relation.view:
            connection.execute(text(f"DROP VIEW IF EXISTS {relation.view}"))
