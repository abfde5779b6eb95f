"""The type of the request that our views get, and the methods that views with a form allow."""

from django.http import HttpRequest
from django.views.decorators.http import require_http_methods

from accounts.models import Member
from accounts.origin import Origin


class MemberRequest(HttpRequest):
    """A request as the middleware has completed it. Views open to strangers may rely on ``origin`` alone."""

    member: Member
    origin: Origin


#: Lets a view show a form, by GET, and take it, by POST.
form_or_post = require_http_methods(["GET", "HEAD", "POST"])
