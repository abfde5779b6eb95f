"""IBM Cloud API keys for tests of what time and strangers do with them."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import Member
from accounts.origin import COMMAND_LINE
from keys.models import PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description


def make(holder: Member, *, expires: timedelta | None, **changes: object) -> PlatformKey:
    """A key that expires so long from now, or did."""
    key, _ = lifecycle.create_platform_key(description=Description("Nightly build"), by=holder, origin=COMMAND_LINE)
    expires_at = timezone.now() + expires if expires is not None else None
    PlatformKey.objects.filter(pk=key.pk).update(expires_at=expires_at, **changes)
    key.refresh_from_db()
    return key
