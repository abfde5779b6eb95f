"""The least that Django runs with: what verification is compared with. Nothing is kept, nobody signs in."""

SECRET_KEY = "not a secret: nothing is signed with it"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.bench.empty_project.urls"
MIDDLEWARE: list[str] = []
INSTALLED_APPS: list[str] = []
USE_TZ = True
