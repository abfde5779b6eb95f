"""The one view of the empty project."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def nothing(request: HttpRequest) -> HttpResponse:
    """Answer like an accepted verification."""
    return HttpResponse(status=204)


urlpatterns = [path("verify", nothing)]
