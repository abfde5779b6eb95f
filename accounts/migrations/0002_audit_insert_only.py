"""Make the audit trail insert-only in the database itself: UPDATE, DELETE and TRUNCATE of events raise."""

from typing import Any

from django.db import migrations

_REFUSAL = "audit events cannot be changed or removed"

_POSTGRESQL = (
    f"""
    CREATE FUNCTION accounts_event_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$
    """,
    """
    CREATE TRIGGER accounts_event_insert_only BEFORE UPDATE OR DELETE ON accounts_event
    FOR EACH ROW EXECUTE FUNCTION accounts_event_refuse()
    """,
    """
    CREATE TRIGGER accounts_event_no_truncate BEFORE TRUNCATE ON accounts_event
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_event_refuse()
    """,
)
_SQLITE = tuple(
    f"CREATE TRIGGER accounts_event_no_{verb.lower()} BEFORE {verb} ON accounts_event "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for verb in ("UPDATE", "DELETE")
)
_POSTGRESQL_DROP = (
    "DROP TRIGGER accounts_event_insert_only ON accounts_event",
    "DROP TRIGGER accounts_event_no_truncate ON accounts_event",
    "DROP FUNCTION accounts_event_refuse()",
)
_SQLITE_DROP = ("DROP TRIGGER accounts_event_no_update", "DROP TRIGGER accounts_event_no_delete")


def _run(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Adds the triggers."""

    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunPython(_run(_POSTGRESQL, _SQLITE), _run(_POSTGRESQL_DROP, _SQLITE_DROP))]
