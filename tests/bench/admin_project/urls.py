"""An admin site with one change list, the keys'."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import path

from keys.models import ClassicKey


class Site(admin.AdminSite):
    """An admin site for everybody with a session."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Load the user, as the stock site does, and ask nothing more."""
        return request.user.is_authenticated


class KeyAdmin(admin.ModelAdmin):
    """The columns of Keytree's own page, the newest key first; rows and people come in one query."""

    list_display = ("holder", "description", "created_at", "last_used_at")
    list_select_related = ("holder__user", "holder__parent__user")
    list_per_page = 25
    ordering = ("-created_at",)
    search_fields = ("holder__search_text",)

    def description(self, key: ClassicKey) -> str:
        """Say whose child the holder is."""
        return f"Child of {key.holder.parent.user.name}" if key.holder.parent else "Account owner"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ClassicKey]":
        """Leave other accounts out; the index on the dates serves the admin too, then."""
        return super().get_queryset(request).filter(account_id=settings.BENCH_ACCOUNT)

    def has_view_permission(self, *args: Any) -> bool:
        """Everybody may."""
        return True

    has_module_permission = has_add_permission = has_change_permission = has_delete_permission = has_view_permission


site = Site()
site.register(ClassicKey, KeyAdmin)
urlpatterns = [path("admin/", site.urls)]
