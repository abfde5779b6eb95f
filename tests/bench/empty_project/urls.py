"""The views of the empty project."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path


def nothing(request: HttpRequest) -> HttpResponse:
    """Answer like an accepted verification."""
    return HttpResponse(status=204)


def asking(_: HttpRequest) -> HttpResponse:
    """Ask the database the least there is to ask: it takes its driver, and a connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(status=204)


urlpatterns = [path("verify", nothing), path("asking", asking)]
