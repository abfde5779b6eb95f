"""``manage.py import_members``: invite everybody in a file, or only report what would happen (dry run)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts import importing, member_files
from accounts.member_files import Content, FileError
from accounts.origin import COMMAND_LINE
from accounts.policy import NotAllowed
from console import arguments
from console.maintenance import MaintenanceCommand, member_at, require_ring, unhurried


class Command(MaintenanceCommand):
    """Invites everybody in a file, or nobody."""

    help = (
        "Invite everybody in a CSV or LDIF file, each below the parent that the file names, in one transaction: if "
        "anything is wrong, every mistake is named with its line and nobody is invited. On SQLite nobody else can "
        "write meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "file", type=arguments.file, help="CSV with a column email, and parent where there is one; or LDIF"
        )
        parser.add_argument("--account", type=arguments.account_id, required=True, metavar="ID", help="the account")
        parser.add_argument("--by", required=True, metavar="EMAIL", help="who invites, and may: a user of the account")
        parser.add_argument("--dry-run", action="store_true", help="only say what would become of the file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import the file or report on it. Raises CommandError if anything is wrong."""
        require_ring()
        by, content = member_at(options["by"], account_id=options["account"]), self._content(options["file"])
        try:
            with unhurried():
                if options["dry_run"]:
                    plan = importing.make_plan(content, by)
                    count = len(plan.people)
                else:
                    plan = importing.Plan()
                    count = importing.carry_out(
                        content, by=by, origin=COMMAND_LINE, is_limited=False, progress=self._tell
                    )
        except NotAllowed as error:
            raise CommandError(f"No one was invited. {error}") from error
        except importing.ImportRefused as refused:
            plan, count = refused.plan, 0
        if plan.problems:
            for problem in plan.problems:
                self.stdout.write(f"line {problem.line}: {problem.text}: {problem.what}")
            raise CommandError(f"{len(plan.problems):,} mistakes. No one was invited.")
        self.stdout.write(f"{count:,} {'would be' if options['dry_run'] else 'are'} invited.")

    def _tell(self, done: int, total: int) -> None:
        self.stdout.write(f"  {done:,} of {total:,}")
        self.stdout.flush()

    @staticmethod
    def _content(path: Path) -> Content:
        try:
            with path.open("rb") as file:
                return member_files.read(file.read(member_files.LARGEST_FILE + 1))
        except (OSError, FileError) as error:
            raise CommandError(f"No one was invited. {error}") from error
