"""IBM Cloud API keys in the pages: addresses, what is sent, what is read of the answers."""

import re
from datetime import UTC, date, timedelta

from django.utils import timezone

from accounts.models import Member
from accounts.sessions import SessionStore
from keys.models import PlatformKey
from tests.pages.reading import KEYS, USERS
from tests.visitors import session_of

TYPED = {"name": "Build server", "description": "", "expires": "", "leaked_action": "disable"}
MY_KEYS, ALL_KEYS = f"{KEYS}?view=my", f"{KEYS}?view=all"


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def create_url(member: Member) -> str:
    return f"{USERS}/{member.pk}/platform_key"


def url_of(key: PlatformKey, action: str) -> str:
    return f"{KEYS}/platform/{key.pk}/{action}"


def state_of(key: PlatformKey) -> tuple[object, ...]:
    return PlatformKey.objects.values_list().get(pk=key.pk)


def value_in(body: str) -> str:
    return re.search(r"data-value-text>([^<]*)<", body)[1]


def title_of(body: str) -> str:
    return re.search(r'id="dialog-title"[^>]*>([^<]*)<', body)[1]


def age_proof(client) -> None:
    session = SessionStore(session_of(client).session_key)
    session["proved_at"] = (timezone.now() - timedelta(hours=1)).timestamp()
    session.save()
