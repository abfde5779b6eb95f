"""Reports leaked keys as a server does: Django's test client begins behind where ``/leaked`` is answered."""

import io
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from django.http import HttpResponse

from console.middleware import ALWAYS
from keys.views.leaked import LeakedApplication
from tests.keys.api.calling import connection_kept
from tests.keys.calls import django
from tests.web.asking import assert_headers

application = LeakedApplication(django, headers=ALWAYS)


def report(
    body: bytes | str = b"", *, method: str = "POST", path: str = "/leaked", peer: str = "192.0.2.7", **environ: str
) -> tuple[int, str, dict[str, str]]:
    """Status, text and headers of what is answered."""
    body = body.encode() if isinstance(body, str) else body
    told: list = []
    request = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "REMOTE_ADDR": peer,
        "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **environ,
    }  # fmt: skip
    setup_testing_defaults(request)
    with connection_kept():
        answer = validator(application)(request, lambda *said: told.extend(said) or io.BytesIO().write)
        text = b"".join(answer)
        answer.close()
    status, headers = int(told[0].partition(" ")[0]), dict(told[1])
    if "X-Answered-By" not in headers:
        assert_headers(HttpResponse(text, headers=headers, status=status), method)
    return status, text.decode(), headers
