"""Keep the texts that PostgreSQL's index of letter groups knows in a table of their own: see ``accounts.text_index``.

Whatever of a row changes, PostgreSQL works out anew what an index over a function holds of it. A move changes the rows
of a whole branch, and of none the text. For the same reason the index goes that Django adds to a unique text for LIKE,
by which nothing here asks.
"""

from typing import Any

from django.db import migrations

_INDEX = """
    CREATE INDEX member_letter_groups_idx ON {table} USING gin (accounts_letter_groups(account_id, search_text))
"""
_BESIDE = (
    "DROP INDEX member_letter_groups_idx",
    """
    CREATE TABLE accounts_member_text (
        member_id bigint PRIMARY KEY, account_id integer NOT NULL, search_text text NOT NULL
    )
    """,
    # Whole statements at a time where rows come and go by thousands; a changed text is one row's.
    """
    CREATE FUNCTION accounts_member_text_follows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO accounts_member_text SELECT id, account_id, search_text FROM written;
        ELSIF TG_OP = 'DELETE' THEN
            DELETE FROM accounts_member_text WHERE member_id IN (SELECT id FROM written);
        ELSIF TG_OP = 'TRUNCATE' THEN
            TRUNCATE accounts_member_text;
        ELSE
            UPDATE accounts_member_text
            SET member_id = NEW.id, account_id = NEW.account_id, search_text = NEW.search_text
            WHERE member_id = OLD.id;
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER accounts_member_added AFTER INSERT ON accounts_member
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION accounts_member_text_follows()
    """,
    """
    CREATE TRIGGER accounts_member_removed AFTER DELETE ON accounts_member
    REFERENCING OLD TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION accounts_member_text_follows()
    """,
    """
    CREATE TRIGGER accounts_member_changed AFTER UPDATE OF id, account_id, search_text ON accounts_member FOR EACH ROW
    WHEN ((OLD.id, OLD.account_id, OLD.search_text) IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.search_text))
    EXECUTE FUNCTION accounts_member_text_follows()
    """,
    """
    CREATE TRIGGER accounts_member_emptied AFTER TRUNCATE ON accounts_member
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_member_text_follows()
    """,
    "INSERT INTO accounts_member_text SELECT id, account_id, search_text FROM accounts_member",
    _INDEX.format(table="accounts_member_text"),
    "DROP INDEX accounts_member_api_username_11e9ef34_like",
)
_WITHIN = (
    "DROP TRIGGER accounts_member_added ON accounts_member",
    "DROP TRIGGER accounts_member_removed ON accounts_member",
    "DROP TRIGGER accounts_member_changed ON accounts_member",
    "DROP TRIGGER accounts_member_emptied ON accounts_member",
    "DROP FUNCTION accounts_member_text_follows",
    "DROP TABLE accounts_member_text",
    _INDEX.format(table="accounts_member"),
    "CREATE INDEX accounts_member_api_username_11e9ef34_like ON accounts_member (api_username varchar_pattern_ops)",
)


def _run(statements: tuple[str, ...]) -> Any:
    def run(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in statements:
                schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    """Moves the index, filled."""

    dependencies = [("accounts", "0011_import_jobs")]
    operations = [migrations.RunPython(_run(_BESIDE), _run(_WITHIN))]
