"""The least that Django runs with: what verification is compared with. Nothing is kept, nobody signs in."""

import json
import os

SECRET_KEY = "not a secret: nothing is signed with it"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.bench.empty_project.urls"
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = []
USE_TZ = True
DATABASES = json.loads(os.environ.get("BENCH_DATABASES", "{}"))
