"""The keys of an account are counted from a small index of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the index."""

    dependencies = [("keys", "0006_names_in_branch_index")]

    operations = [
        migrations.AddIndex(
            model_name="classickey",
            index=models.Index(fields=["account", "ring_key_id"], name="classic_key_count_idx"),
        ),
    ]
