"""Index the groups of three letters in what a search for members looks through: see ``accounts.text_index``."""

from typing import Any

from django.db import NotSupportedError, OperationalError, migrations

# A hash of group and account: entries of one account are never read for another, and no collation takes part.
_POSTGRESQL = (
    """
    CREATE FUNCTION accounts_letter_groups(account integer, content text) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000
    RETURN ARRAY(
        SELECT hashtextextended(substr(content, place, 3), account) FROM generate_series(1, length(content) - 2) AS place
    )
    """,
    """
    CREATE INDEX member_letter_groups_idx ON accounts_member
    USING gin (accounts_letter_groups(account_id, search_text))
    """,
)
_POSTGRESQL_DROP = ("DROP INDEX member_letter_groups_idx", "DROP FUNCTION accounts_letter_groups(integer, text)")

# A trigger may not write to a virtual table where the schema is not trusted (console.settings). So triggers note in an
# ordinary table which rows the index does not know as they are, with the text that it knows instead.
# "WHERE NOT EXISTS" and not "OR IGNORE": the latter is overridden by what the statement says that fires the trigger.
_NOTE = """
    INSERT INTO accounts_member_unindexed (member_id, indexed_text) SELECT {row}
    WHERE NOT EXISTS (SELECT 1 FROM accounts_member_unindexed WHERE member_id = {id});
"""
_NOTE_OLD = _NOTE.format(row="OLD.id, OLD.search_text", id="OLD.id")
_NOTE_NEW = _NOTE.format(row="NEW.id, NULL", id="NEW.id")
_SQLITE = (
    """
    CREATE VIRTUAL TABLE accounts_member_index USING fts5(
        search_text, content = 'accounts_member', content_rowid = 'id', tokenize = 'trigram', detail = 'none',
        columnsize = 0
    )
    """,
    "CREATE TABLE accounts_member_unindexed (member_id integer NOT NULL PRIMARY KEY, indexed_text text)",
    f"CREATE TRIGGER accounts_member_added AFTER INSERT ON accounts_member BEGIN {_NOTE_NEW} END",
    f"""
    CREATE TRIGGER accounts_member_changed AFTER UPDATE OF id, search_text ON accounts_member
    BEGIN {_NOTE_OLD} {_NOTE_NEW} END
    """,
    f"CREATE TRIGGER accounts_member_removed AFTER DELETE ON accounts_member BEGIN {_NOTE_OLD} END",
    "INSERT INTO accounts_member_index (accounts_member_index) VALUES ('rebuild')",
)
_SQLITE_DROP = (
    "DROP TRIGGER accounts_member_added",
    "DROP TRIGGER accounts_member_changed",
    "DROP TRIGGER accounts_member_removed",
    "DROP TABLE accounts_member_unindexed",
    "DROP TABLE accounts_member_index",
)


def _run(postgresql: tuple[str, ...], sqlite: tuple[str, ...]) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        try:
            for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
                schema_editor.execute(statement)
        except OperationalError as error:
            if "no such" not in str(error):  # module: fts5; tokenizer: trigram
                raise
            raise NotSupportedError("Keytree needs SQLite 3.34 or newer, with FTS5.") from error

    return run


class Migration(migrations.Migration):
    """Adds the index of each database, filled."""

    dependencies = [("accounts", "0002_audit_insert_only")]
    operations = [migrations.RunPython(_run(_POSTGRESQL, _SQLITE), _run(_POSTGRESQL_DROP, _SQLITE_DROP))]
