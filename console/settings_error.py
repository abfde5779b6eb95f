"""What stops every program of Keytree whose environment cannot be read, in words for whoever set it."""

from collections.abc import Iterable, Mapping

from django.core.exceptions import ImproperlyConfigured


class SettingsError(ImproperlyConfigured):
    """Settings cannot be read; the message names each and says what it must be.

    ``manage.py`` and gunicorn print the message, without a traceback, and end with status 1.
    """


def told(mistakes: Mapping[str, Iterable[str]]) -> str:
    """Return the message of a SettingsError for ``mistakes``: the name of each variable, and what is wrong with it."""
    return "\n".join(
        ["settings cannot be read.", *(f"{name}: {' '.join(wrong)}" for name, wrong in sorted(mistakes.items()))]
    )
