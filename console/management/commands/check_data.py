"""``manage.py check_data``: check all values, trees and audit trails, for instance after a restore."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from accounts import passcodes, text_index
from accounts.models import Account, Passcode
from console import audit_check, tree_check
from console.maintenance import MaintenanceCommand, file_damage, require_ring, unhurried
from keys.models import PlatformKey
from keys.value_check import check_values, platform_keys_by_missing_master_key


class Command(MaintenanceCommand):
    """Opens every value, walks every tree and verifies every chain; ends with 1 when anything is wrong."""

    help = (
        "Check that every key's value opens with the key ring and is what calls are compared with, that the ring has "
        "the master keys of all IBM Cloud API keys, that every seed of one-time passcodes opens, that every tree is "
        "sound, and that every chain of audit events is whole. Changes nothing, and may run while the console is "
        "serving. Ends with status 1 when something is wrong: check_tree and verify_audit then tell more."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, and print the findings."""
        require_ring()
        with unhurried():
            wrong = (
                self._check_file()
                + self._check_values()
                + self._check_platform_keys()
                + self._check_seeds()
                + self._check("trees", self._trees())
                + self._check("trails", self._trails())
                + self._check_names()
            )
        if wrong:
            raise CommandError(f"{wrong:,} finding{'s' * (wrong > 1)}. Something that is stored is damaged.")
        self.stdout.write("Everything that is stored is sound.")

    def _check_file(self) -> int:
        """Check the file of an SQLite database; prints nothing if it is intact."""
        damage = file_damage() if connection.vendor == "sqlite" else ()
        return self.print_findings(damage, heading="File: damaged")

    def _check_values(self) -> int:
        values = check_values()
        wrong = self._check("values", values.findings())
        self.stdout.write(f"  {values.whole:,} open with the key ring")
        if values.without_creator:
            self.stdout.write(
                f"  {values.without_creator:,} open for nobody, as their creators have left; they are accepted until "
                "they are deleted"
            )
        return wrong

    def _check_platform_keys(self) -> int:
        """Check that calls with IBM Cloud API keys can be compared with their digests, if there are any."""
        count, missing = PlatformKey.objects.count(), platform_keys_by_missing_master_key()
        if not count:
            return 0
        findings = (
            f"master key {key_id}: the ring lacks it; calls with {keys:,} IBM Cloud API keys are refused"
            for key_id, keys in sorted(missing.items())
        )
        wrong = self._check("digests of IBM Cloud API keys", findings)
        self.stdout.write(f"  {count - sum(missing.values()):,} have a master key of the key ring")
        return wrong

    def _check_seeds(self) -> int:
        """Check the seeds of one-time passcodes, if there are any."""
        return self._check("seeds of one-time passcodes", passcodes.unopened()) if Passcode.objects.exists() else 0

    def _check_names(self) -> int:
        """Check the search index of PostgreSQL; prints nothing if it is intact."""
        return self.print_findings(text_index.disagreements(), heading="Texts for searches: damaged")

    @staticmethod
    def _trees() -> Iterator[str]:
        for account in Account.objects.order_by("pk"):
            yield from (f"account {account.pk}: {finding}" for finding in tree_check.findings(account))
        yield from map(str, tree_check.strays())

    @staticmethod
    def _trails() -> Iterator[str]:
        for account_id in audit_check.account_ids():
            found = audit_check.first_break(account_id)
            if found is not None:
                yield f"account {account_id}: broken at event {found[0]}: {found[1]}"

    def _check(self, what: str, findings: Iterable[str]) -> int:
        """Print the first findings, or that there are none, and return how many there are."""
        title = f"{what[0].upper()}{what[1:]}"
        return self.print_findings(findings, heading=f"{title}: damaged", if_none=f"{title}: whole")
