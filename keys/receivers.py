"""Keeps copies on key rows in step with what accounts changes, in the same transaction."""

from typing import Any

from django.dispatch import receiver

from accounts.enums import CONSOLE_STATUSES
from accounts.hierarchy import moved_path, path_range
from accounts.models import Member
from accounts.origin import Origin
from accounts.signals import branch_moved, member_leaving, status_changed
from keys import lifecycle
from keys.models import ClassicKey
from keys.platform.lifecycle import delete_keys_of_leaving


@receiver(branch_moved)
def move_keys(*, account_id: int, old_path: str, new_path: str, **_: Any) -> None:
    """Give the keys of a moved branch their holders' new paths; one UPDATE over one range of the index."""
    in_branch = ClassicKey.objects.filter(path_range(old_path, field="holder_path"), account_id=account_id)
    in_branch.update(holder_path=moved_path(old_path, new_path, "holder_path"))


@receiver(member_leaving)
def delete_keys(*, member: Member, by: Member | None, origin: Origin, **_: Any) -> None:
    """Delete a member's keys with the member."""
    lifecycle.delete_key_of_leaving(member=member, by=by, origin=origin)
    delete_keys_of_leaving(member=member, by=by, origin=origin)


@receiver(status_changed)
def delete_key_made_by_another(*, member: Member, by: Member, origin: Origin, **_: Any) -> None:
    """Delete a key that somebody else created for a member who comes to work in the console."""
    if member.status in CONSOLE_STATUSES:
        lifecycle.delete_key_made_by_another(member=member, by=by, origin=origin)
