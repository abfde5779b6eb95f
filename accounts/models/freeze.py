"""The branches of users that are frozen."""

from django.db import models

from accounts.models.account import Account
from accounts.models.member import Member
from accounts.names import REASON_LENGTH


class BranchFreeze(models.Model):
    """A member whose branch is frozen: the member and everybody below, as long as they are there.

    Nothing is copied onto those below, so thawing leaves everybody as they were, and members who move into the branch
    or out of it are frozen, or no longer frozen, from then on.
    """

    # The member's account, so that an account's freezes are found without reading members.
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="freeze")
    by = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=REASON_LENGTH)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"branch of {self.member_id}"
