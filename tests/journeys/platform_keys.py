"""IBM Cloud API keys of a demo in every state that a list shows, to be run in its server: see ``State.before``."""

FORGET = """
from accounts.models import Account
from keys.models import PlatformKey
PlatformKey.objects.all().delete()
Account.objects.update(restrict_key_creation=False)
"""
GIVE = (
    FORGET
    + """
from datetime import timedelta
from django.utils import timezone
from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.platform.lifecycle import Description, create_platform_key
now = timezone.now()
midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
for email, name, text, changes in (
    ("olivia@acme.example", "Backup", "Writes the nightly backup of the account's settings to object storage", {}),
    ("marcus@acme.example", "build server", "", {"last_used_at": now, "last_used_day": now.date()}),
    ("marcus@acme.example", "Deployment", "Rolls out releases of the robots' control plane", {"is_locked": True}),
    ("marcus@acme.example", "found in a repository", "", {"leaked_at": now, "is_enabled": False}),
    ("marcus@acme.example", "test bench", "For the tests of spring", {"expires_at": now - timedelta(days=3)}),
    ("marcus@acme.example", "x" * 60, "y" * 200, {"expires_at": midnight + timedelta(days=31), "is_locked": True}),
    ("priya@acme.example", "Notebook", "", {"expires_at": midnight + timedelta(days=8)}),
):
    member = Member.objects.get(user__email=email, account_id=1234567)
    key, _ = create_platform_key(description=Description(name, text), by=member, origin=COMMAND_LINE)
    PlatformKey.objects.filter(pk=key.pk).update(created_at=now - timedelta(days=60), **changes)
"""
)
GIVE_AS_MANY_AS_THERE_CAN_BE = (
    GIVE
    + """
member = Member.objects.get(user__email="noor@acme.example", account_id=1234567)
for number in range(20):
    create_platform_key(description=Description(f"Key {number + 1:02}"), by=member, origin=COMMAND_LINE)
"""
)
RESTRICT_CREATION = FORGET + "Account.objects.update(restrict_key_creation=True)\n"
