"""What the benchmark asks of the admin: functions of a child process (tests.bench.child)."""

from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import Client

from accounts.models import Member
from tests.bench.calls import call_well, environ
from tests.bench.timing import Sample, timed

application = get_wsgi_application()
_requests: dict[int, dict[str, Any]] = {}


def change_list(member: int, times: int = 1) -> list[Sample]:
    """Time the change list of the keys, with a session of the member's."""
    if member not in _requests:
        client = Client()
        client.force_login(Member.objects.select_related("user").get(pk=member).user)
        session = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        _requests[member] = environ("/admin/keys/classickey/", HTTP_COOKIE=session)
    return timed(lambda: call_well(application, _requests[member]), times=times)
