"""How fields of forms are rendered: with what was sent for them, unless that is far more than anybody would type."""

from typing import Any

from django.forms.renderers import TemplatesSetting
from django.http import HttpRequest

#: Characters that every field shows again; more only where a field takes more.
_SHOWN_AGAIN = 10_000


class Renderer(TemplatesSetting):
    """Renders fields by Django's templates.

    A text that is far longer than its field takes comes back empty: escaped it may be six times as large, and may stand
    in a page several times, so that an answer would be many times as large as the request.
    """

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        """Return the HTML of a field."""
        widget = context.get("widget", {})
        for part in (widget, *widget.get("subwidgets", ())):
            text = part.get("value")
            if isinstance(text, str) and len(text) > max(_SHOWN_AGAIN, int(part["attrs"].get("maxlength", 0))):
                part["value"] = None
        return super().render(template_name, context, request)
