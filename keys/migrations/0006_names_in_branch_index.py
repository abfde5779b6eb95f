"""The index of a branch's keys has their holders' names too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the index anew."""

    dependencies = [("keys", "0005_platform_keys")]

    operations = [
        migrations.RemoveIndex(model_name="classickey", name="classic_key_branch_idx"),
        migrations.AddIndex(
            model_name="classickey",
            index=models.Index(
                fields=["account", "holder_path", "created_at", "id", "holder_sort_name"], name="classic_key_branch_idx"
            ),
        ),
    ]
