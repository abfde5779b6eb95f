"""``manage.py backup``: copy the database into a file, while the console is serving."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.template.defaultfilters import filesizeformat

from console import arguments, database_copy


class Command(BaseCommand):
    """Writes a consistent copy of the database to a new file, without sessions. The key ring is never in it."""

    help = (
        "Copy the database into a new file of mode 0600, while the console is serving: by SQLite's own backup, or by "
        "pg_dump in custom format. The key ring is not in it. After restoring, check_data tells whether all is there."
    )

    # No ring and no present tables are asked for: an old or half broken installation is what wants a backup.
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=arguments.file, help="the file to write; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        """Copy, and print what the copy contains and what not."""
        path: Path = options["file"]
        try:
            database_copy.copy_database(path)
        except database_copy.CopyError as error:
            raise CommandError(str(error)) from error
        size = filesizeformat(path.stat().st_size).replace("\xa0", " ")
        self.stdout.write(
            f"{connection.display_name} database {connection.settings_dict['NAME']} copied to {path}, {size}."
        )
        self.stdout.write(
            "The key ring is not in it. Keep the ring in another place: without it no key's value opens again, and "
            "whoever has both has every value."
        )
