"""The style sheets and scripts of every page: one file of each kind, put together when static files are collected.

A browser that comes for the first time asks twice instead of two dozen times. In debug mode pages name the parts, so
that a change is seen at once.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.templatetags.static import static

#: One style sheet for each component, in an order that only the first two depend on.
_STYLES = (
    "tokens", "base", "shell", "button", "form", "table", "pagination", "menu", "dialog", "notification", "card",
    "tabs", "tag", "empty", "value", "picture", "progress", "login",
)  # fmt: skip
_SCRIPTS = ("autosubmit", "focus", "menu", "dialog", "copy", "save", "reveal", "ticks", "passkey", "progress")
# Beside their parts, whose relative addresses keep their meaning.
_STYLE_BUNDLE, _SCRIPT_BUNDLE = "css/keytree.css", "js/keytree.js"


@cache
def style_sheets() -> list[str]:
    """Return the addresses of the style sheets of a page, in order; the same as long as the process runs."""
    return _addresses("css", _STYLES, _STYLE_BUNDLE)


@cache
def scripts() -> list[str]:
    """Return the addresses of the modules of a page; the same as long as the process runs."""
    return _addresses("js", _SCRIPTS, _SCRIPT_BUNDLE)


def _addresses(kind: str, names: Iterable[str], bundle: str) -> list[str]:
    files = [f"{kind}/{name}.{kind}" for name in names] if settings.DEBUG else [bundle]
    return [static(file) for file in files]


class BundleFinder(BaseFinder):
    """Gives ``collectstatic`` the two files that are made of others; on disk there are only the parts."""

    def find(self, path: str, **options: object) -> list[str]:  # type: ignore[override]  # stubs know one form for each kind of answer
        """Return that no such file is on disk."""
        return []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, InMemoryStorage]]:
        """Yield the name and the storage of each."""
        storage = InMemoryStorage()
        storage.save(_STYLE_BUNDLE, ContentFile("\n".join(_parts("css", _STYLES))))
        # Each script keeps its names to itself, as the module that it is where it stands alone.
        storage.save(_SCRIPT_BUNDLE, ContentFile("\n".join(f"{{\n{text}}}" for text in _parts("js", _SCRIPTS))))
        for name in (_STYLE_BUNDLE, _SCRIPT_BUNDLE):
            yield name, storage


def _parts(kind: str, names: Iterable[str]) -> Iterator[str]:
    folder = Path(settings.BASE_DIR) / "static" / kind
    return ((folder / f"{name}.{kind}").read_text(encoding="utf-8") for name in names)
