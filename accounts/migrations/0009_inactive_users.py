"""When members last signed in to their account, and an index of who has not for long."""

from typing import Any

import django.db.models.functions.comparison
from django.db import migrations, models
from django.db.models import F, Max, OuterRef, Subquery

_AT_ONCE = 20_000  # members: PostgreSQL ends statements that take longer than five seconds
_SIGN_IN_STATUSES = ("active", "disabled_classic", "suspended")


def _fill(apps: Any, schema_editor: Any) -> None:
    """Take over the last sign-in of the user, which so far was known of the user alone and not of each account."""
    member, user = apps.get_model("accounts", "Member"), apps.get_model("accounts", "User")
    last = member.objects.aggregate(last=Max("pk"))["last"] or 0
    signed_in = Subquery(user.objects.filter(pk=OuterRef("user_id")).values("last_login")[:1])
    for first in range(0, last + 1, _AT_ONCE):
        some = member.objects.filter(pk__gte=first, pk__lt=first + _AT_ONCE, status__in=_SIGN_IN_STATUSES)
        some.filter(name_here=None).update(signed_in_at=signed_in)


class Migration(migrations.Migration):
    """Adds a column, filled, and its index; ``accounts_member`` is not made anew, so that its triggers stay."""

    dependencies = [
        ("accounts", "0008_second_factors_and_resets"),
    ]

    operations = [
        migrations.AddField(
            model_name="member",
            name="signed_in_at",
            field=models.DateTimeField(
                editable=False, help_text="When they last signed in to this account, or switched to it.", null=True
            ),
        ),
        migrations.RunPython(_fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                F("account"),
                django.db.models.functions.comparison.Coalesce("signed_in_at", "joined_at"),
                F("path"),
                name="member_by_use_idx",
            ),
        ),
    ]
