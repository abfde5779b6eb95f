"""The empty project for a server, and for a child process (tests.bench.child)."""

from django.core.wsgi import get_wsgi_application

from tests.bench.calls import call_well, environ
from tests.bench.timing import Sample, timed

application = get_wsgi_application()


def answer(times: int, block: int) -> list[Sample]:
    """Time the empty view."""
    request = environ("/verify", HTTP_AUTHORIZATION="Basic bm9ib2R5Om5vdGhpbmc=")
    return timed(lambda: call_well(application, request, expected=204), times=times, block=block)
