"""Let PostgreSQL vacuum the members when two in a hundred have changed, and not a fifth.

Branches are counted and sorted from indexes alone, but where a page of the table has changed, PostgreSQL reads that too
until it is vacuumed. Moves change whole branches, and each login a row.
"""

from typing import Any

from django.db import migrations


def _on_postgresql(statement: str) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Sets it."""

    dependencies = [("accounts", "0017_key_creation")]
    operations = [
        migrations.RunPython(
            _on_postgresql("ALTER TABLE accounts_member SET (autovacuum_vacuum_scale_factor = 0.02)"),
            _on_postgresql("ALTER TABLE accounts_member RESET (autovacuum_vacuum_scale_factor)"),
        )
    ]
