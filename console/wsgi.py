"""The WSGI application: key verification answered in front, everything else by Django."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django_application = get_wsgi_application()

from accounts import import_jobs, outbox  # noqa: E402 - models exist only after Django has been set up
from keys import usage  # noqa: E402 - models exist only after Django has been set up
from keys.views.verify import VerifyApplication  # noqa: E402

usage.run_in_background()
outbox.run_in_background()
import_jobs.run_in_background()
application = VerifyApplication(django_application)
