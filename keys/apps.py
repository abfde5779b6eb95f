"""Registers keys with Django, their audit events and their receivers."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """The keys app."""

    name = "keys"

    def ready(self) -> None:
        """Connect what must be in place before the first request."""
        from keys import events, receivers  # noqa: F401, PLC0415 - models are loaded only now
        from keys.platform import events as platform_events  # noqa: F401, PLC0415 - likewise
