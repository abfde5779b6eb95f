"""What an account sets for its users and their sessions, and what is listed of a session."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def keep_restrictions(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Leave in force what was written into the column while it had no switch."""
    apps.get_model("accounts", "Account").objects.exclude(user_domains="").update(restrict_user_domains=True)


class Migration(migrations.Migration):
    """A server of before goes on writing sessions and accounts; ``accounts_member`` is left as it is."""

    dependencies = [
        ("accounts", "0004_invitations_and_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="most_sessions",
            field=models.PositiveSmallIntegerField(
                help_text="How many a user may have at once; none is unlimited.",
                null=True,
                verbose_name="Concurrent sessions",
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="restrict_user_domains",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nobody is let in whom no pattern fits.",
                verbose_name="Restrict user domains in force",
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="session_hours",
            field=models.PositiveSmallIntegerField(
                help_text="Hours until a session ends; none leaves it to the installation.",
                null=True,
                verbose_name="Active sessions",
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="session_idle_minutes",
            field=models.PositiveSmallIntegerField(
                help_text="Minutes without a request until a session ends; none leaves it to the installation.",
                null=True,
                verbose_name="Sign out due to inactivity",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="address",
            field=models.CharField(blank=True, db_default="", help_text="Where it was seen last.", max_length=45),
        ),
        migrations.AddField(
            model_name="session",
            name="agent",
            field=models.CharField(
                blank=True, db_default="", help_text="What it was seen in last: browser and system.", max_length=60
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="seen_at",
            field=models.DateTimeField(help_text="Noted at most once a minute.", null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="started_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="session",
            name="uid",
            field=models.UUIDField(help_text="Names the session in addresses, as its key is a secret.", null=True),
        ),
        migrations.AlterField(
            model_name="account",
            name="user_domains",
            field=models.TextField(
                blank=True,
                help_text="Patterns of the addresses that may be invited, one a line; kept while they are not in force.",
                verbose_name="Restrict user domains",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("session_hours__isnull", True),
                        models.Q(("session_hours__gte", 1), ("session_hours__lte", 720)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("session_idle_minutes__isnull", True),
                        models.Q(("session_idle_minutes__gte", 5), ("session_idle_minutes__lte", 1440)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("most_sessions__isnull", True),
                        models.Q(("most_sessions__gte", 1), ("most_sessions__lte", 100)),
                        _connector="OR",
                    ),
                ),
                name="account_session_limits",
            ),
        ),
        migrations.RunPython(keep_restrictions, migrations.RunPython.noop),
    ]
