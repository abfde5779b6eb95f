"""``manage.py migrate``, without the limit on statements that pages have: building an index may take longer."""

from typing import Any

from django.core.management.commands import migrate

from console.maintenance import no_statement_limit, require_database


class Command(migrate.Command):
    """Django's command."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, however long a statement takes. Raises CommandError when there is no database to reach."""
        require_database()
        with no_statement_limit():
            super().handle(*args, **options)
