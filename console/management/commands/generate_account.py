"""``manage.py generate_account``: generate an account of any size for testing and measuring."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import IntegrityError
from django.db.models import Max
from django.db.models.functions import Length

from accounts.models import Account, Member, User
from accounts.models.member import CODE_LENGTH
from console import arguments, demo, generator
from console.maintenance import MaintenanceCommand, require_ring
from keys.models import ClassicKey, PlatformKey

_SECONDS_BETWEEN_REPORTS = 5

_MOST_MEMBERS = 10_000_000


class Command(MaintenanceCommand):
    """Generates a demo account.

    The audit trail says that the account was created and nothing of each member: nobody invited these people. All
    who can sign in share one password and one hash, as hashing a hundred thousand passwords would take hours.
    """

    help = (
        "Generate a demo account of any size for trying out and measuring. The same arguments give the same people on "
        "the same day; the audit trail has one event, that the account was created."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--members",
            type=arguments.number(1, _MOST_MEMBERS),
            default=1_000,
            help="how many, the owner included (default: 1000)",
        )
        parser.add_argument(
            "--shape",
            choices=[shape.value for shape in generator.Shape],
            default=generator.Shape.REALISTIC.value,
            help="how the tree grows: below anybody, in chains of 256 levels, all below the owner, or as companies do "
            "(default: realistic)",
        )
        parser.add_argument(
            "--keys",
            type=float,
            default=0.6,
            metavar="SHARE",
            help="share of members with a classic key, 0 to 1 (default: 0.6)",
        )
        parser.add_argument(
            "--platform-keys",
            type=float,
            default=0.25,
            metavar="SHARE",
            help="share of members with IBM Cloud API keys, 0 to 1 (default: 0.25)",
        )
        parser.add_argument("--seed", type=int, default=1, help="another number gives other people (default: 1)")
        parser.add_argument("--name", default="", help="the account's name")
        parser.add_argument(
            "--account-id", type=arguments.account_id, help="a free account ID (default: drawn from the seed)"
        )
        parser.add_argument(
            "--password", default=demo.PASSWORD, help="password of those who log in (default: the demo's)"
        )
        parser.add_argument(
            "--sign-in",
            choices=["all", "owner"],
            default="all",
            help="who can log in: everybody whose status allows it, or the owner alone (default: all)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Generate with a report every few seconds, and print the result."""
        require_ring()
        started = time.monotonic()
        try:
            account = generator.generate(
                members=options["members"],
                shape=options["shape"],
                keys_share=options["keys"],
                platform_keys_share=options["platform_keys"],
                seed=options["seed"],
                name=options["name"],
                account_id=options["account_id"],
                password=options["password"],
                password_for_all=options["sign_in"] == "all",
                progress=self._reporter(options["members"]),
            )
        except (generator.NotADemo, ValueError) as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except IntegrityError as error:
            raise CommandError(f"Account ID {options['account_id']} is taken.") from error
        self._print_figures(account, time.monotonic() - started)

    def _reporter(self, members: int) -> Any:
        """Return a function that prints the progress, at most every few seconds."""
        last = time.monotonic()

        def report(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _SECONDS_BETWEEN_REPORTS:
                last = time.monotonic()
                self.stdout.write(f"{done:>9,} of {members:,} members")
                self.stdout.flush()

        return report

    def _print_figures(self, account: Account, seconds: float) -> None:
        members = Member.objects.filter(account=account)
        count = members.count()
        longest = members.aggregate(longest=Max(Length("path")))["longest"]
        keys = ClassicKey.objects.filter(account=account).count()
        owner = User.objects.get(memberships__account=account, memberships__parent=None)
        self.stdout.write(f"Account {account}")
        self.stdout.write(f"{count:>9,} members on {longest // CODE_LENGTH} levels")
        self.stdout.write(f"{keys:>9,} classic infrastructure API keys")
        self.stdout.write(f"{PlatformKey.objects.filter(account=account).count():>9,} IBM Cloud API keys")
        self.stdout.write(f"{seconds:>9,.1f} seconds, {count / seconds:,.0f} members a second")
        self.stdout.write(f"The owner logs in as {owner.email}")
