"""Drop the index that Django adds on PostgreSQL to a unique text for ``LIKE``: nothing here asks by it.

Each move of a branch would write to it for every key.
"""

from typing import Any

from django.db import migrations

_NAME = "keys_classickey_uid_03b7c5d5_like"


def _on_postgresql(statement: str) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Drops it."""

    dependencies = [("keys", "0003_kept_restrictions")]
    operations = [
        migrations.RunPython(
            _on_postgresql(f"DROP INDEX {_NAME}"),
            _on_postgresql(f"CREATE INDEX {_NAME} ON keys_classickey (uid varchar_pattern_ops)"),
        )
    ]
