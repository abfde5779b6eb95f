"""Several processes that tell holders of keys about to expire, and delete expired ones, at the same moment."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts.models import Event, Mail
from accounts.origin import COMMAND_LINE
from keys.platform import lifecycle
from tests.races.racing import assert_sound
from tests.threads import at_once
from tests.trees import grow, make_platform_key

DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db(transaction=True)


def test_several_processes_tell_and_delete_each_key_once():
    (owner,) = grow([])
    now = timezone.now()
    for _ in range(3):
        make_platform_key(owner, expires_at=now + DAY)
        make_platform_key(owner, expires_at=now - 100 * DAY)
    about = {"now": now, "origin": COMMAND_LINE}
    ((*told, deleted, others),) = at_once(
        *[partial(lifecycle.tell_expiring, **about)] * 4, *[partial(lifecycle.delete_expired, **about)] * 2
    )
    assert (sum(told), deleted + others) == (3, 3)
    assert Event.objects.filter(action="platform_key.expires_soon").count() == Mail.objects.count() == 3
    assert Event.objects.filter(action="platform_key.expired_deleted").count() == 3
    assert_sound()
