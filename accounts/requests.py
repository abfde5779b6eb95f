"""The request as our views get it, for the type checker's sake."""

from django.http import HttpRequest

from accounts.models import Member
from accounts.origin import Origin


class MemberRequest(HttpRequest):
    """A request as the middleware has completed it. Views open to strangers may rely on ``origin`` alone."""

    member: Member
    origin: Origin
