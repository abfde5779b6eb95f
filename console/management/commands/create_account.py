"""``manage.py create_account``: create an account and its owner, who then invites everybody else."""

import getpass
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction

from accounts import new_members
from accounts.models import Account, Member, User
from accounts.models.account import HIGHEST_ACCOUNT_ID, LOWEST_ACCOUNT_ID
from accounts.names import clean_email, clean_name
from accounts.origin import COMMAND_LINE
from console import arguments
from console.maintenance import MaintenanceCommand, require_ring


class Command(MaintenanceCommand):
    """Creates an account with its owner."""

    help = (
        "Create an account and its owner. The owner's password is asked for on the terminal, unless it comes from a "
        "file or from standard input; it is never an argument, which other users of the machine could read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--name", required=True, help="the account's name, such as the organisation's")
        parser.add_argument("--owner-email", required=True, help="the address the owner logs in with")
        parser.add_argument("--owner-name", default="", help="the owner's name")
        parser.add_argument(
            "--account-id",
            type=arguments.account_id,
            help=f"from {LOWEST_ACCOUNT_ID} to {HIGHEST_ACCOUNT_ID}; API usernames begin with it (default: a free one)",
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--password-file", type=arguments.file, help="read the owner's password from this file's first line"
        )
        source.add_argument(
            "--password-stdin", action="store_true", help="read it from the first line of standard input"
        )
        source.add_argument(
            "--existing-user", action="store_true", help="the owner is in another account already: no name, no password"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the account, and print what to do next."""
        require_ring()
        try:
            name = clean_name(options["name"])
            email = clean_email(options["owner_email"])
            self._refuse_taken_id(options["account_id"])
            user = self._known_user(email) if options["existing_user"] else self._new_user(email, options)
            owner = self._create(name=name, user=user, account_id=options["account_id"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except IntegrityError as error:
            # Somebody else was quicker between the look and the write.
            raise CommandError("The account ID or the owner's email address was taken just now. Try again.") from error
        self._say(owner)

    @staticmethod
    def _refuse_taken_id(account_id: int | None) -> None:
        if account_id is None:
            return
        taken = Account.objects.filter(pk=account_id).first()
        if taken is not None:
            raise CommandError(f"Account ID {account_id} is taken, by {taken.name}.")

    @staticmethod
    def _known_user(email: str) -> User:
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"There is no user {email}. Leave --existing-user out to create one.")
        if not user.has_usable_password():
            raise CommandError(f"{email} has no password: somebody who was only invited, or VPN-only, cannot log in.")
        return user

    def _new_user(self, email: str, options: dict[str, Any]) -> User:
        """Return the owner as an unsaved user, with a password that passes the validators."""
        if User.objects.filter(email=email).exists():
            raise CommandError(f"There is a user {email} already. Add --existing-user to make them the owner.")
        if not options["owner_name"]:
            raise CommandError("Give the owner's name, with --owner-name.")
        user = User(email=email, name=clean_name(options["owner_name"]))
        password = self._password(options)
        validate_password(password, user)
        user.set_password(password)
        return user

    @staticmethod
    def _password(options: dict[str, Any]) -> str:
        """Return the password as typed, without the line end. Raises CommandError if there is none."""
        path: Path | None = options["password_file"]
        if path:
            try:
                with path.open(encoding="utf-8") as file:
                    return file.readline().rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"The password file cannot be read: {error}.") from error
        if options["password_stdin"]:
            return sys.stdin.readline().rstrip("\r\n")
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask on: use --password-stdin or --password-file.")
        try:
            password = getpass.getpass("Owner's password: ")
            again = getpass.getpass("The same again: ")
        except (EOFError, KeyboardInterrupt):
            raise CommandError("No password was given. Nothing was created.") from None
        if again != password:
            raise CommandError("The two passwords are not the same.")
        return password

    @staticmethod
    def _create(*, name: str, user: User, account_id: int | None) -> Member:
        with transaction.atomic():
            if user._state.adding:
                user.save(force_insert=True)
            return new_members.create_account(name=name, owner=user, account_id=account_id, origin=COMMAND_LINE)

    def _say(self, owner: Member) -> None:
        self.stdout.write(f"Account {owner.account_id} created: {owner.account.name}")
        self.stdout.write(f"Owner: {owner.user.name} <{owner.user.email}>")
        self.stdout.write(f"API username: {owner.api_username}")
        if settings.KEYTREE_PUBLIC_URL:
            self.stdout.write(f"Next: log in at {settings.KEYTREE_PUBLIC_URL}/login as {owner.user.email}.")
        else:
            self.stdout.write(
                f"Next: set KEYTREE_PUBLIC_URL to the address of this console, and log in there as {owner.user.email}."
            )
