"""What stops every program of Keytree whose environment cannot be read, in words for whoever set it."""

from collections.abc import Iterable, Mapping

from django.core.exceptions import ImproperlyConfigured


class SettingsError(ImproperlyConfigured):
    """Settings cannot be read; the message names each and says what it must be.

    ``manage.py`` and gunicorn print the message, without a traceback, and end with status 1.

    Args:
        mistakes: what is wrong with each variable, by its name.
    """

    def __init__(self, mistakes: Mapping[str, Iterable[str]]) -> None:
        named = [f"{name}: {' '.join(wrong)}" for name, wrong in sorted(mistakes.items())]
        super().__init__("\n".join(["settings cannot be read.", *named]))
