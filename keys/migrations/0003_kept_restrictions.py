"""From where a member's next key may be used, kept while they have none."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds the table."""

    dependencies = [
        ("accounts", "0011_import_jobs"),
        ("keys", "0002_insight"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeptRestriction",
            fields=[
                (
                    "holder",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.member",
                    ),
                ),
                ("allowed_addresses", models.TextField()),
            ],
        ),
    ]
