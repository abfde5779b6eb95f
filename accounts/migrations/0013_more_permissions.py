"""Index those few who may look after anybody: every user's page *Who can manage* names them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds the index."""

    dependencies = [("accounts", "0012_member_texts")]
    operations = [
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                name="member_more_permissions_idx",
                fields=("account", "sort_name"),
                condition=models.Q(("permissions__gt", 1)),
            ),
        ),
    ]
