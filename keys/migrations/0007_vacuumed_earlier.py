"""Let PostgreSQL vacuum the keys when two in a hundred have changed, and not a fifth.

Branches are counted and sorted from indexes alone, but where a page of the table has changed, PostgreSQL reads that too
until it is vacuumed. Moves, revocations and each *last used* change some.
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

    dependencies = [("keys", "0006_names_in_branch_index")]
    operations = [
        migrations.RunPython(
            _on_postgresql("ALTER TABLE keys_classickey SET (autovacuum_vacuum_scale_factor = 0.02)"),
            _on_postgresql("ALTER TABLE keys_classickey RESET (autovacuum_vacuum_scale_factor)"),
        )
    ]
