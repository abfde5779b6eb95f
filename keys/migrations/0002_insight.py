"""Indexes of the keys that are not used, and of those that may be used from everywhere."""

from datetime import UTC
from typing import Any

import django.db.models.functions.text
from django.db import migrations, models
from django.db.models import F, Max
from django.db.models.functions import TruncDate

_AT_ONCE = 20_000  # keys: PostgreSQL ends statements that take longer than five seconds


def _fill(apps: Any, schema_editor: Any) -> None:
    key = apps.get_model("keys", "ClassicKey")
    last = key.objects.aggregate(last=Max("pk"))["last"] or 0
    for first in range(0, last + 1, _AT_ONCE):
        some = key.objects.filter(pk__gte=first, pk__lt=first + _AT_ONCE, last_used_at__isnull=False)
        some.update(last_used_day=TruncDate("last_used_at", tzinfo=UTC))


class Migration(migrations.Migration):
    """Adds a column, filled, and two indexes."""

    dependencies = [
        ("accounts", "0009_inactive_users"),
        ("keys", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="classickey",
            name="last_used_day",
            field=models.DateField(help_text="The day (UTC) of ``last_used_at``: what an index knows.", null=True),
        ),
        migrations.RunPython(_fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="classickey",
            index=models.Index(
                fields=["account", "last_used_day", "created_at", "holder_path"], name="classic_key_by_use_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="classickey",
            index=models.Index(
                F("account"),
                django.db.models.functions.text.Length("allowed_addresses"),
                F("holder_path"),
                name="classic_key_by_limit_idx",
            ),
        ),
    ]
