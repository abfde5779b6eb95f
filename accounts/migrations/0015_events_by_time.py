"""Activity of some days: found by time, and of few users in their indexes alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds one index, and the time to two."""

    dependencies = [
        ("accounts", "0014_notifications"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["account_id", "at", "id"], name="event_by_time_idx"),
        ),
        migrations.RemoveIndex(model_name="event", name="event_subject_idx"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["account_id", "subject_id", "-number", "at"], name="event_subject_idx"),
        ),
        migrations.RemoveIndex(model_name="event", name="event_actor_idx"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["account_id", "actor_id", "-number", "at"], name="event_actor_idx"),
        ),
    ]
