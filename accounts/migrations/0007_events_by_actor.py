"""Activity of somebody with few users below: what they did themselves is found by an index too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds one index."""

    dependencies = [
        ("accounts", "0006_freeze"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["account_id", "actor_id", "-number"], name="event_actor_idx"),
        ),
    ]
