"""Database types and expressions of ours: the canonical e-mail, the path of the tree, a foreign key of two columns."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement, Table
from django.db.models import Func

from accounts.names import EMAIL_BYTES, canonical_email


class CanonicalEmailField(models.EmailField):
    """An e-mail address that is stored, compared and found in its canonical form whichever way it comes in.

    Because the folding happens on the way to the database, ``unique`` holds whatever the case or Unicode form.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", EMAIL_BYTES)
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        """Return what the database stores or compares with."""
        value = super().get_prep_value(value)
        return canonical_email(value) if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        """Show on the instance what the database will hold."""
        value = self.get_prep_value(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class PathField(models.CharField):
    """A text that every database compares byte by byte: the order of paths must not depend on a locale."""

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        """Add the binary collation in the database's own word (SQLite's default is already BINARY)."""
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class Code(Func):
    """A member's primary key as the fixed-width code that paths are made of; see ``accounts.hierarchy``."""

    output_field = models.CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite's spelling; the per cent sign goes through two rounds of formatting."""
        return self.as_sql(compiler, connection, template="PRINTF('%%%%07x', %(expressions)s)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """PostgreSQL's spelling."""
        return self.as_sql(compiler, connection, template="LPAD(TO_HEX(%(expressions)s), 7, '0')", **context)


class CompositeForeignKey(models.BaseConstraint):
    """A foreign key of several columns, which Django's own fields cannot express.

    Checked at the end of the transaction on both databases, so that a branch of the tree can move in one UPDATE.
    """

    def __init__(self, *, name: str, fields: Sequence[str], to_table: str, to_columns: Sequence[str]) -> None:
        super().__init__(name=name)
        self.fields, self.to_table, self.to_columns = tuple(fields), to_table, tuple(to_columns)

    def _definition(self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor) -> str:
        quote = schema_editor.quote_name
        columns = {field.name: str(field.column) for field in model._meta.concrete_fields}
        here = ", ".join(quote(columns[name]) for name in self.fields)
        there = ", ".join(map(quote, self.to_columns))
        return (
            f"CONSTRAINT {quote(str(self.name))} FOREIGN KEY ({here}) REFERENCES "
            f"{quote(self.to_table)} ({there}) DEFERRABLE INITIALLY DEFERRED"
        )

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        """Return the clause of a CREATE TABLE."""
        return self._definition(model, schema_editor)

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        """Return the ALTER TABLE that adds it (PostgreSQL; SQLite makes the table anew)."""
        table = Table(model._meta.db_table, schema_editor.quote_name)
        definition = self._definition(model, schema_editor)
        return Statement("ALTER TABLE %(table)s ADD %(definition)s", table=table, definition=definition)

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        """Return the ALTER TABLE that drops it."""
        table = Table(model._meta.db_table, schema_editor.quote_name)
        name = schema_editor.quote_name(self.name)
        return Statement("ALTER TABLE %(table)s DROP CONSTRAINT %(name)s", table=table, name=name)

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Leave the check to the database, which makes it at the end of the transaction."""

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what a migration needs to make it again."""
        path, _, kwargs = super().deconstruct()
        return (
            path,
            (),
            {
                **kwargs,
                "fields": self.fields,
                "to_table": self.to_table,
                "to_columns": self.to_columns,
            },
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CompositeForeignKey):
            return NotImplemented
        return self.deconstruct() == other.deconstruct()

    __hash__ = None  # type: ignore[assignment]
