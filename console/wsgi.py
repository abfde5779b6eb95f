"""The WSGI application: verification, calls of clients and reports of leaks answered in front, all else by Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django_application = get_wsgi_application()

from accounts import import_jobs, outbox  # noqa: E402 - models exist only after Django has been set up
from console.hourly import HourlyApplication  # noqa: E402 - likewise
from console.middleware import ALWAYS  # noqa: E402
from keys import usage  # noqa: E402 - models exist only after Django has been set up
from keys.api.application import ApiApplication  # noqa: E402
from keys.iam.application import IamApplication  # noqa: E402
from keys.views.leaked import LeakedApplication  # noqa: E402
from keys.views.verify import VerifyApplication  # noqa: E402

usage.run_in_background()
outbox.run_in_background()
import_jobs.run_in_background()
reported = LeakedApplication(django_application, headers=ALWAYS)
called = ApiApplication(IamApplication(reported, headers=ALWAYS), headers=ALWAYS)
application = VerifyApplication(HourlyApplication(called))  # a verification waits for nothing else
