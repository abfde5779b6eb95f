"""The style sheets and scripts of every page: ``collectstatic`` bundles them into one file of each kind.

A first visit then takes two requests instead of some thirty. In debug mode pages link the single files, so that a
change shows at once.
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
_SCRIPTS = (
    "autosubmit", "focus", "menu", "dialog", "copy", "save", "reveal", "ticks", "passkey", "progress", "sending",
    "session", "nav",
)  # fmt: skip
# In the same folders as their parts, so that relative URLs in these still work.
_STYLE_BUNDLE, _SCRIPT_BUNDLE = "css/keytree.css", "js/keytree.js"


@cache
def style_sheets() -> list[str]:
    """Return the URLs of a page's style sheets, in order."""
    return _addresses("css", _STYLES, _STYLE_BUNDLE)


@cache
def scripts() -> list[str]:
    """Return the URLs of a page's script modules."""
    return _addresses("js", _SCRIPTS, _SCRIPT_BUNDLE)


@cache
def favicon() -> str:
    """Return the URL of the console's icon."""
    return static("favicon.svg")


def _addresses(kind: str, names: Iterable[str], bundle: str) -> list[str]:
    files = [f"{kind}/{name}.{kind}" for name in names] if settings.DEBUG else [bundle]
    return [static(file) for file in files]


class BundleFinder(BaseFinder):
    """Gives ``collectstatic`` the two bundles, which are not on disk."""

    def find(self, path: str, **options: object) -> list[str]:  # type: ignore[override]  # stubs know one form for each kind of answer
        """Return nothing: only the single files are on disk."""
        return []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, InMemoryStorage]]:
        """Yield the name of each bundle, and the storage that holds it."""
        storage = InMemoryStorage()
        storage.save(_STYLE_BUNDLE, ContentFile("\n".join(_parts("css", _STYLES))))
        # A block for each script keeps its names private, as a module of its own would.
        storage.save(_SCRIPT_BUNDLE, ContentFile("\n".join(f"{{\n{text}}}" for text in _parts("js", _SCRIPTS))))
        for name in (_STYLE_BUNDLE, _SCRIPT_BUNDLE):
            yield name, storage


def _parts(kind: str, names: Iterable[str]) -> Iterator[str]:
    folder = Path(settings.BASE_DIR) / "static" / kind
    return ((folder / f"{name}.{kind}").read_text(encoding="utf-8") for name in names)
