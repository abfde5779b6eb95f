"""The WSGI application: verification, calls of clients and reports of leaks answered in front, all else by Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django_application = get_wsgi_application()

from accounts import import_jobs, outbox  # noqa: E402 - models exist only after Django has been set up
from console.hourly import HourlyApplication  # noqa: E402 - likewise
from console.middleware import ALWAYS  # noqa: E402
from keys import api, iam, usage  # noqa: E402 - models exist only after Django has been set up
from keys.views.leaked import LeakedApplication  # noqa: E402
from keys.views.verify import VerifyApplication  # noqa: E402
from keys.wsgi import LoadedWhenCalled, WSGIApplication  # noqa: E402


def _for_softlayers_clients(next_application: WSGIApplication) -> WSGIApplication:
    from keys.api.application import ApiApplication  # noqa: PLC0415 - many installations are never called by them

    return ApiApplication(next_application, headers=ALWAYS)


def _for_ibm_clouds_clients(next_application: WSGIApplication) -> WSGIApplication:
    from keys.iam.application import IamApplication  # noqa: PLC0415 - likewise

    return IamApplication(next_application, headers=ALWAYS)


usage.run_in_background()
outbox.run_in_background()
import_jobs.run_in_background()
reported = LeakedApplication(django_application, headers=ALWAYS)
called_by_ibm_cloud = LoadedWhenCalled(reported, places=iam.PLACES, load=_for_ibm_clouds_clients)
called = LoadedWhenCalled(called_by_ibm_cloud, places=api.PLACES, load=_for_softlayers_clients)
hourly = HourlyApplication(called)
application = VerifyApplication(hourly)  # a verification waits for nothing else
