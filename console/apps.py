"""Registers console with Django."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The console app."""

    name = "console"

    def ready(self) -> None:
        """Register the system checks, which need the models."""
        from console import checks  # noqa: F401, PLC0415 - registers by being imported
