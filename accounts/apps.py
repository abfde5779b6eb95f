"""Registers accounts with Django, and its receivers."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The accounts app."""

    name = "accounts"

    def ready(self) -> None:
        """Connect what must be in place before the first request."""
        from accounts import notices  # noqa: F401, PLC0415 - models are loaded only now
