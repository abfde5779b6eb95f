"""Whether an account restricts who creates API keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds it."""

    dependencies = [
        ("accounts", "0016_passcode_replaced"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="restrict_key_creation",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="IBM Cloud API keys are created only by users with the permission User API key creator.",
                verbose_name="Restrict API key creation",
            ),
        ),
    ]
