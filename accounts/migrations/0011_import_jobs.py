"""The files that members import on a page, and how far the work on each is."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds the table."""

    dependencies = [
        ("accounts", "0010_trimmed_trail"),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("created_at", models.DateTimeField(db_index=True)),
                ("file_name", models.CharField(max_length=255)),
                (
                    "content",
                    models.BinaryField(help_text="The file, compressed; empty when everybody in it is invited."),
                ),
                ("entries", models.PositiveIntegerField(help_text="How many lines name somebody, or are wrong.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("checking", "Checking"),
                            ("checked", "Checked"),
                            ("inviting", "Inviting"),
                            ("done", "Done"),
                        ],
                        default="checking",
                        max_length=10,
                    ),
                ),
                (
                    "report",
                    models.BinaryField(default=b"", help_text="What was found of each line, as JSON, compressed."),
                ),
                ("people", models.PositiveIntegerField(default=0, help_text="How many can be invited, or were.")),
                ("problems", models.PositiveIntegerField(default=0, help_text="How many mistakes the report names.")),
                (
                    "notice",
                    models.CharField(blank=True, help_text="Why the last round came to nothing.", max_length=500),
                ),
                ("round", models.UUIDField(help_text="Who works on it; none when nobody does.", null=True)),
                ("origin", models.TextField(default="{}", help_text="From where that round was asked for, as JSON.")),
                (
                    "done",
                    models.PositiveIntegerField(
                        default=0, help_text="How many of its people the round has dealt with."
                    ),
                ),
                ("seen_at", models.DateTimeField(help_text="The round's last sign of life.", null=True)),
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.member"
                    ),
                ),
            ],
        ),
    ]
