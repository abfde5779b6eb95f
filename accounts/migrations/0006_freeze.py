"""Frozen branches of users."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds one table; nothing that there is changes."""

    dependencies = [
        ("accounts", "0005_settings_and_sessions"),
    ]

    operations = [
        migrations.CreateModel(
            name="BranchFreeze",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=200)),
                ("at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.account"
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="accounts.member"
                    ),
                ),
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="freeze", to="accounts.member"
                    ),
                ),
            ],
        ),
    ]
