"""A second seed of one-time passcodes beside the one that counts, while an app is being replaced."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Allows two seeds for each user, of which one counts."""

    dependencies = [
        ("accounts", "0015_events_by_time"),
    ]

    operations = [
        migrations.AlterField(
            model_name="passcode",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="passcodes", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="passcode",
            constraint=models.UniqueConstraint(
                condition=Q(confirmed_at__isnull=False), fields=("user",), name="passcode_on_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="passcode",
            constraint=models.UniqueConstraint(
                condition=Q(confirmed_at=None), fields=("user",), name="passcode_begun_once"
            ),
        ),
    ]
