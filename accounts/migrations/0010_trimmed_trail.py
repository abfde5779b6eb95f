"""How far an account's trail was trimmed, and triggers that let go of events up to there and of no others.

From here on a trigger of ``accounts_event`` reads ``accounts_auditchain``: on SQLite, a migration that makes that table
anew has to take the trigger away first and to put it back. Going back from here forgets where a
trimmed trail begins, which ``verify_audit`` then reports.
"""

from typing import Any

from django.db import migrations, models

# One look into an index for each row, planned once. Whoever could put a table of their own before this one, and may
# remove rows, is the tables' owner, who could as well drop the trigger.
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION accounts_event_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            PERFORM FROM accounts_auditchain WHERE account_id = OLD.account_id AND trimmed_until >= OLD.number;
            IF FOUND THEN RETURN OLD; END IF;
        END IF;
        RAISE EXCEPTION 'audit events cannot be changed or removed';
    END $$
    """,
)
_POSTGRESQL_BACK = (
    """
    CREATE OR REPLACE FUNCTION accounts_event_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'audit events cannot be changed or removed'; END $$
    """,
)
_SQLITE = (
    "DROP TRIGGER accounts_event_no_delete",
    """
    CREATE TRIGGER accounts_event_no_delete BEFORE DELETE ON accounts_event WHEN NOT EXISTS (
        SELECT 1 FROM accounts_auditchain WHERE account_id = OLD.account_id AND trimmed_until >= OLD.number
    ) BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed or removed'); END
    """,
)
_SQLITE_BACK = (
    "DROP TRIGGER accounts_event_no_delete",
    """
    CREATE TRIGGER accounts_event_no_delete BEFORE DELETE ON accounts_event
    BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed or removed'); END
    """,
)


def _run(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Adds the mark, then the triggers that read it."""

    dependencies = [("accounts", "0009_inactive_users")]
    operations = [
        migrations.AddField(
            model_name="auditchain",
            name="trimmed_until",
            field=models.PositiveIntegerField(default=0, help_text="Number of the last event that was cleared away."),
        ),
        migrations.AddField(
            model_name="auditchain",
            name="trimmed_link",
            field=models.BinaryField(default=b"", help_text="Link of that event.", max_length=49),
        ),
        migrations.AddField(
            model_name="auditchain",
            name="trimmed_at",
            field=models.DateTimeField(help_text="Latest time of an event that was cleared away.", null=True),
        ),
        migrations.RunPython(_run(_POSTGRESQL, _SQLITE), _run(_POSTGRESQL_BACK, _SQLITE_BACK)),
    ]
