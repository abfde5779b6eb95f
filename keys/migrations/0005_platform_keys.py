"""IBM Cloud API keys."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.fields


class Migration(migrations.Migration):
    """Adds the table."""

    dependencies = [
        ("accounts", "0017_key_creation"),
        ("keys", "0004_no_index_for_like"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PlatformKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "uuid",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, help_text="What clients call the key by.", unique=True
                    ),
                ),
                (
                    "token_id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, help_text="What access tokens call the key by.", unique=True
                    ),
                ),
                (
                    "slot",
                    models.PositiveSmallIntegerField(
                        help_text="Which of the user's keys it is: there are so many places."
                    ),
                ),
                ("name", models.CharField(max_length=300)),
                ("description", models.CharField(blank=True, max_length=500)),
                (
                    "sort_name",
                    accounts.models.fields.PathField(
                        editable=False, help_text="Made of the name, for lists.", max_length=64
                    ),
                ),
                ("search_text", models.TextField(editable=False, help_text="Folded name and description.")),
                ("created_at", models.DateTimeField()),
                (
                    "modified_at",
                    models.DateTimeField(help_text="When it was last edited, locked or switched, if ever.", null=True),
                ),
                ("expires_at", models.DateTimeField(help_text="From then on it is refused; none is never.", null=True)),
                (
                    "expiry_told_at",
                    models.DateTimeField(help_text="When the holder was told that it is about to expire.", null=True),
                ),
                ("is_enabled", models.BooleanField(default=True)),
                ("is_locked", models.BooleanField(default=False, help_text="It can be neither edited nor deleted.")),
                (
                    "leaked_action",
                    models.CharField(
                        choices=[
                            ("disable", "Disable the leaked key"),
                            ("delete", "Delete the leaked key"),
                            ("nothing", "Nothing"),
                        ],
                        default="disable",
                        max_length=10,
                    ),
                ),
                (
                    "leaked_at",
                    models.DateTimeField(help_text="When its value was first reported as leaked.", null=True),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("ring_key_id", models.CharField(help_text="Master key that the digest was made with.", max_length=16)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("last_used_from", models.CharField(blank=True, max_length=45)),
                (
                    "last_used_day",
                    models.DateField(help_text="The day (UTC) of ``last_used_at``: what an index knows.", null=True),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="platform_keys", to="accounts.member"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account", "sort_name", "id"], name="platform_key_by_name_idx"),
                    models.Index(fields=["account", "created_at", "id"], name="platform_key_by_date_idx"),
                    models.Index(fields=["account", "last_used_day", "created_at"], name="platform_key_by_use_idx"),
                    models.Index(fields=["ring_key_id", "id"], name="platform_key_ring_idx"),
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False)),
                        fields=["expires_at"],
                        name="platform_key_expiry_idx",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "slot"), name="platform_key_user_slot"),
                    models.CheckConstraint(
                        condition=models.Q(("slot__gte", 1), ("slot__lte", 20)), name="platform_key_slot_in_range"
                    ),
                ],
            },
        ),
    ]
