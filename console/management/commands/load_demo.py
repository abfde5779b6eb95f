"""``manage.py load_demo``: fill an empty database with the demo accounts."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from console import demo
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Loads the demo accounts into an empty database; does nothing to one that has accounts."""

    help = "Load the demo accounts into an empty database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, and print what was done."""
        if not settings.IS_DEMO:
            raise CommandError("Everybody knows the demo's passwords. Set KEYTREE_ENV=demo to load it.")
        require_ring()
        loaded = demo.load()
        self.stdout.write("Demo accounts loaded." if loaded else "The database has accounts already: left as it is.")
