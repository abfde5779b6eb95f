"""The writes about IBM Cloud API keys that faults come into, in an order in which each finds what it needs."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from accounts import memberships
from accounts.models import Member
from keys.models import PlatformKey
from keys.platform import lifecycle
from keys.platform.lifecycle import Description
from keys.platform.policy import PlatformAction
from tests.faults.writes import ORIGIN, Write
from tests.trees import make_member, make_platform_key

_NAME = "Nightly build"
_LEAVER = "Leaver"


def _fresh(holder: Member, **fields: Any) -> PlatformKey:
    """A key of ``holder`` beside their others, new at each try."""
    PlatformKey.objects.filter(name="Fresh").delete()
    return make_platform_key(holder, "Fresh", **fields)


def _reporting(holder: Member) -> Callable[[], Any]:
    return partial(lifecycle.report_leaked, value=_fresh(holder).value, source="a scanner", origin=ORIGIN)


def _telling(holder: Member) -> Callable[[], Any]:
    now = timezone.now()
    _fresh(holder, expires_at=now + lifecycle.TOLD_BEFORE)
    return partial(lifecycle.tell_expiring, now=now, origin=ORIGIN)


def _clearing(holder: Member) -> Callable[[], Any]:
    now = timezone.now()
    _fresh(holder, expires_at=now - lifecycle.KEPT_AFTER - timedelta(seconds=1))
    return partial(lifecycle.delete_expired, now=now, origin=ORIGIN)


def _removing(parent: Member, by: Member) -> Callable[[], Any]:
    """The removal of somebody with two keys, one of them locked."""
    member = Member.objects.filter(user__name=_LEAVER).first()
    if member is None:
        member = make_member(parent.account, parent)
        member.user.name = _LEAVER
        member.user.save()
        for is_locked in (False, True):
            make_platform_key(member, is_locked=is_locked)
    return partial(memberships.remove_member, member=member, by=by, origin=ORIGIN)


def platform_writes(holder: Member, owner: Member) -> list[Write]:
    """Every one there is, by the holder and by the owner of the account."""
    own, from_above = {"by": holder, "origin": ORIGIN}, {"by": owner, "origin": ORIGIN}

    def plain(write: Callable[..., Any], **arguments: Any) -> Callable[[], Any]:
        return lambda: partial(write, key=PlatformKey.objects.get(name__startswith=_NAME), **arguments)

    def switch(action: PlatformAction, by: dict[str, Any], changes: set[str]) -> Write:
        prepare = plain(lifecycle.switch_platform_key, action=action, **by)
        word = {"lock": "locked", "unlock": "unlocked", "disable": "disabled", "enable": "enabled"}[action.name.lower()]
        return Write(f"{action.name.lower()}_platform_key", prepare, changes, [f"platform_key.{word}"])

    return [
        Write(
            "create_platform_key",
            lambda: partial(lifecycle.create_platform_key, description=Description(_NAME), **own),
            {"PlatformKey"},
            ["platform_key.created"],
        ),
        Write(
            "edit_platform_key",
            plain(lifecycle.edit_platform_key, description=Description(f"{_NAME} 2", "A text"), **from_above),
            {"Mail", "PlatformKey"},
            ["platform_key.edited"],
        ),
        switch(PlatformAction.LOCK, own, {"PlatformKey"}),
        switch(PlatformAction.UNLOCK, from_above, {"PlatformKey"}),
        switch(PlatformAction.DISABLE, from_above, {"Mail", "PlatformKey"}),
        switch(PlatformAction.ENABLE, own, {"PlatformKey"}),
        Write(
            "delete_platform_key",
            plain(lifecycle.delete_platform_key, **from_above),
            {"Mail", "PlatformKey"},
            ["platform_key.deleted"],
        ),
        Write("report_leaked", lambda: _reporting(holder), {"Mail", "PlatformKey"}, ["platform_key.leaked"]),
        Write("tell_expiring", lambda: _telling(holder), {"Mail", "PlatformKey"}, ["platform_key.expires_soon"]),
        Write("delete_expired", lambda: _clearing(holder), {"PlatformKey"}, ["platform_key.expired_deleted"]),
        Write(
            "remove_member",
            lambda: _removing(holder, owner),
            {"Mail", "Member", "PlatformKey", "User"},
            ["platform_key.deleted", "platform_key.deleted", "member.removed"],
        ),
    ]
