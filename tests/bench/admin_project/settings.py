"""Django's admin over Keytree's own tables, as `startproject` sets it up: what the API keys page is compared with.

Apart from the product: Keytree has no admin. Everybody with a session may look.
"""

import os
from pathlib import Path

import dj_database_url

DATABASES = {
    "default": dj_database_url.parse(
        os.environ["DATABASE_URL"] or f"sqlite:///{Path(os.environ['KEYTREE_DATA_DIR']) / 'keytree.sqlite3'}",
        conn_max_age=600,
        conn_health_checks=True,
    )
}
# Which of the installation's keys are its account's.
BENCH_ACCOUNT = int(os.environ["BENCH_ACCOUNT"])

SECRET_KEY = "not a secret: the sessions it signs for are the benchmark's"
ALLOWED_HOSTS = ["localhost"]
ROOT_URLCONF = "tests.bench.admin_project.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "accounts",
    "keys",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
SESSION_ENGINE = "accounts.sessions"
USE_TZ = True
STATIC_URL = "/static/"
