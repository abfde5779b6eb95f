"""What others did that a member has not read: asked with every page, so by an index of its own."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """Adds a column, in place, and an index."""

    dependencies = [("accounts", "0013_more_permissions")]
    operations = [
        migrations.AddField(
            model_name="member",
            name="notifications_read",
            field=models.PositiveIntegerField(
                editable=False,
                help_text="Number of the last event that they have read among their notifications.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                name="event_by_others_idx",
                fields=["account_id", "subject_id", "-number"],
                condition=Q(actor_id=None) | Q(actor_id__lt=F("subject_id")) | Q(actor_id__gt=F("subject_id")),
            ),
        ),
    ]
