"""Which addresses there are. Every route is closed to strangers unless its view says otherwise."""

from django.conf import settings
from django.urls import include, path

from console import nav_folds, styleguide, theme, views

console_patterns = [
    path("", views.landing, name="landing"),
    path("help", views.show_help, name="help"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("theme", theme.choose, name="theme"),
    path("navigation", nav_folds.keep, name="navigation"),
]
if settings.DEBUG:
    console_patterns.append(path("styleguide", styleguide.show, name="styleguide"))

handler400 = views.bad_request
handler404 = views.not_found
handler500 = views.server_error

urlpatterns = [
    path("", include((console_patterns, "console"))),
    path("", include("accounts.urls")),
    path("", include("keys.urls")),
]
