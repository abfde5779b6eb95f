"""A view for each peer that answers whoever presents a key or token of its kind."""

from django.urls import path
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.authentication import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey


class _Nothing(APIView):
    def get(self, request: Request) -> Response:
        """Answer like an accepted verification."""
        return Response(status=204)


class ByApiKey(_Nothing):
    """djangorestframework-api-key."""

    permission_classes = (HasAPIKey,)


class ByToken(_Nothing):
    """DRF's own tokens."""

    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)


class ByKnox(_Nothing):
    """django-rest-knox."""

    authentication_classes = (KnoxAuthentication,)
    permission_classes = (IsAuthenticated,)


urlpatterns = [
    path("api-key", ByApiKey.as_view()),
    path("token", ByToken.as_view()),
    path("knox", ByKnox.as_view()),
]
