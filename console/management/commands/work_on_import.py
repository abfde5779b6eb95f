"""``manage.py work_on_import``: started by the console for a long file; people use ``import_members``."""

import gc
import uuid
from argparse import ArgumentParser
from typing import Any

from accounts import import_jobs
from console.maintenance import MaintenanceCommand, unhurried


class Command(MaintenanceCommand):
    """Does one round of an import, and stores the result in the import's row."""

    help = "Work on a file that somebody imports on a page. The console starts this by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("job", type=int, help="the import")
        parser.add_argument("round", type=uuid.UUID, help="the round; the work of another one is not touched")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the round."""
        gc.disable()  # a tenth of the time, and all that is made here lives as long as the process
        with unhurried():
            import_jobs.work(options["job"], options["round"], in_background=True)
