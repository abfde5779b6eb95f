"""Invitations, the outbox, what a member is called in an account, and which domains it invites from."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds two tables and two columns; ``accounts_member`` is not made anew, so that its triggers stay."""

    dependencies = [
        ("accounts", "0003_search_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="user_domains",
            field=models.TextField(
                blank=True,
                help_text="Patterns of the addresses that may be invited, one a line; empty allows every address.",
                verbose_name="Restrict user domains",
            ),
        ),
        migrations.AddField(
            model_name="member",
            name="name_here",
            field=models.CharField(
                editable=False,
                help_text="What they were added as, until they join by themselves: who invites an address learns no name.",
                max_length=300,
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("generation", models.PositiveIntegerField(default=1, help_text="Counts how often it was sent anew.")),
                (
                    "ring_key_id",
                    models.CharField(help_text="Master key that the token is derived with.", max_length=16),
                ),
                ("token_digest", models.BinaryField(max_length=32, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(help_text="When the mail of this generation went out.", null=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="accounts.member"
                    ),
                ),
                ("member", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="accounts.member")),
            ],
        ),
        migrations.CreateModel(
            name="Mail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("recipient", models.CharField(max_length=254)),
                ("created_at", models.DateTimeField()),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_try_at", models.DateTimeField(help_text="None: given up.", null=True)),
                (
                    "problem",
                    models.CharField(
                        blank=True, help_text="Why the last try failed, without addresses.", max_length=200
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.event",
                    ),
                ),
                (
                    "invitation",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="accounts.invitation"),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["next_try_at", "id"], name="mail_due_idx")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("event__isnull", False), ("invitation", None)),
                            models.Q(("event", None), ("invitation__isnull", False)),
                            _connector="OR",
                        ),
                        name="mail_about_one_thing",
                    )
                ],
            },
        ),
    ]
