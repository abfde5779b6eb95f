"""The permission matrix: each cell of ``tests.matrix`` asked of the whole program, through its pages."""

import html
import inspect
import re
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.policy import MemberAction
from keys import policy as key_policy
from keys.models import ClassicKey, KeptRestriction
from keys.policy import KeyAction
from keys.verification import verify
from tests import matrix
from tests.matrix import Act, Case, Stand, may, works
from tests.permissions.checker import Checker
from tests.permissions.looks import LOOKS, NOT_TOLD, RIGHTS
from tests.permissions.world import World
from tests.surfaces import KEY, MEMBER, OUTSIDE_THE_TABLE, PLATFORM, SESSION, SURFACES, Surface
from tests.visitors import METHODS, body_of, routes, signed_in_session, undone, visitor


def test_every_right_is_told_to_whom_it_is_over():
    """What is new in a policy fails here until *Who can manage* tells it, and the table says who may."""
    assert set(RIGHTS.values()) | {Act.REMOVE, Act.SEE_INACTIVE} | NOT_TOLD == set(Act)
    words = {action.value for action in [*MemberAction, *KeyAction]} - {
        MemberAction.INVITE.value, MemberAction.ADD_VPN_USER.value, MemberAction.REMOVE.value,
        MemberAction.VIEW_INACTIVE.value, MemberAction.GRANT_TO_ONESELF.value,
    }  # fmt: skip
    assert words <= {html.unescape(told) for told in RIGHTS}
    rules = {rule for name, rule in vars(key_policy).items() if name.startswith("can_") and name != "can"}
    told = {rule for rule in rules if len(inspect.signature(rule).parameters) == 2}
    assert told == set(key_policy._ABOUT_HOLDER.values())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stand",
    [
        pytest.param(stand, marks=() if stand in matrix.ON_EVERY_DATABASE else pytest.mark.sqlite_only, id=stand.name)
        for stand in Stand
    ],
)
def test_pages_agree_with_the_table_in_every_cell(stand):
    world, cells, settings_asked = World(stand), 0, set()
    for number, case in enumerate(matrix.page_cases(stand)):
        world.become(case)
        checker = Checker(world, case)
        for surface in SURFACES:
            # What depends on the actor's status alone is asked once for each status.
            is_kept_out = case.actor_status != matrix.ACTIVE or case.actor_is_frozen
            # And the account's settings, which are about no target, with the one permission for them and without.
            if surface.allowed_by is Act.CHANGE_SETTINGS and not is_kept_out:
                asked = surface.name, bool(case.granted & matrix.IDENTITY)
                if asked in settings_asked:
                    continue
                settings_asked.add(asked)
            if number == 0 or is_kept_out or not is_for_everybody(surface):
                checker.check(surface)
        verdict = verify(world.target.api_username, world.values[world.target.pk], "10.1.2.3")
        assert verdict.accepted is works(case), case
        cells += checker.cells + 1
    assert cells > (30 if stand is Stand.NOBODY else 150)
    assert list(audit.breaks(world.target.account_id)) == []


def is_for_everybody(surface: Surface) -> bool:
    """Whether what it answers depends on nothing but who asks, and that they may work: one's own page, a way out."""
    return surface.for_any_status or surface.route in ONES_OWN


#: Pages and forms that are about whoever is signed in: no target, no permission, no list of others.
ONES_OWN = {
    "console:landing", "accounts:notifications", "accounts:login-sessions", "accounts:end-all-sessions",
    "accounts:security",
    "accounts:change-password", "accounts:passcode", "accounts:replace-passcode", "accounts:remove-passcode",
    "accounts:add-passkey", "accounts:remove-passkey", "accounts:recovery-codes",
}  # fmt: skip


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_every_route_and_method_is_in_the_matrix():
    """A new route, or a new method of an old one, fails here until the table says who may and what it answers."""
    world = World(Stand.SELF_CREATOR)
    signed_in = signed_in_session(world.actor)
    in_table = {(surface.route, surface.method) for surface in SURFACES} | set(OUTSIDE_THE_TABLE)
    found, client = set(), visitor()
    for name, pattern in routes().items():
        about = world.key_ids[world.target.pk] if "key_id" in str(pattern.pattern) else world.target.pk
        about = world.session_uid if {"uid", "passkey"} & set(pattern.pattern.converters) else about
        arguments = dict.fromkeys(pattern.pattern.converters, about)
        for method in METHODS:
            # As a member and as a stranger: a method that either may send is a method of the route.
            for session_key in (signed_in, ""):
                client.cookies.clear()
                if session_key:
                    client.cookies[settings.SESSION_COOKIE_NAME] = session_key
                with undone():
                    status = client.generic(method, reverse(name, kwargs=arguments)).status_code
                is_sent_to_login = status == 302 and not session_key
                if status != 405 and not is_sent_to_login:
                    found.add((name, method))
    heads = {(name, "HEAD") for name, method in found if method == "GET"}
    assert heads <= found
    assert found - heads == in_table


@pytest.mark.django_db
@pytest.mark.parametrize(
    "stand",
    [
        Stand.SIBLING,
        *(
            pytest.param(stand, marks=pytest.mark.sqlite_only)
            for stand in (Stand.CHILD, Stand.COUSIN_CREATOR, Stand.OTHER_OWNER, Stand.PARENT)
        ),
    ],
)
def test_what_one_may_not_know_of_answers_like_what_does_not_exist(stand):
    """Status, headers and page: nothing tells a key or a user that is hidden from one that never was."""
    world = World(stand)
    case = Case(stand, list_is_restricted=True)
    world.become(case)
    compared = 0
    for surface in SURFACES:
        if surface.about not in (KEY, PLATFORM, MEMBER, SESSION):
            continue
        hidden, missing = (_answer_about(world, surface, is_missing) for is_missing in (False, True))
        assert missing[0] == 404, surface.name
        if not may(surface.known_by, case):
            compared += 1
            assert hidden == missing, surface.name
    # Whoever is above too: what is the target's alone, and their IBM Cloud API keys.
    hidden_acts = {Act.SEE_SESSION, Act.BE_ONESELF, Act.SEE_PLATFORM_KEY}
    hidden_from_all = sum(1 for surface in SURFACES if surface.known_by in hidden_acts)
    everything = sum(1 for surface in SURFACES if surface.known_by)
    assert compared == (hidden_from_all if stand is Stand.PARENT else everything)


#: Who looks after the target, as their role says, without being above them: elsewhere in the tree, and below.
LOOKING_AFTER = [
    (Stand.COUSIN, matrix.EDITOR),
    (Stand.COUSIN, matrix.ADMINISTRATOR),
    (Stand.CHILD, matrix.EDITOR | matrix.ADMINISTRATOR),
]


def _leave_restrictions(keys: Any) -> None:
    KeptRestriction.objects.bulk_create(
        KeptRestriction(holder_id=pk, allowed_addresses="10.0.0.0/8") for pk in keys.values_list("holder_id", flat=True)
    )
    keys.delete()


#: Which keys there are of those whose keys the actor may not know of.
KEYS_THERE = {
    "keys": lambda keys: keys.update(allowed_addresses="10.0.0.0/8", last_used_at=timezone.now()),
    "no keys": lambda keys: keys.delete(),
    "no keys, but restrictions of the next": _leave_restrictions,
}


@pytest.mark.sqlite_only
@pytest.mark.django_db
@pytest.mark.parametrize(("stand", "granted"), LOOKING_AFTER)
def test_who_looks_after_a_user_and_is_not_above_is_told_the_same_with_keys_and_without(stand, granted, monkeypatch):
    """Each page and dialog about the user, the lists and files, what is said after a change, and Activity then."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # pages say what time it is
    world, compared = World(stand), Counter()
    for surface in SURFACES:
        is_list = (surface.route, surface.query) in LOOKS and not surface.about
        if surface.about != MEMBER and not is_list:
            continue
        is_of_invited = surface.allowed_by in (Act.RESEND_INVITE, Act.CANCEL_INVITE)
        status = matrix.PENDING if is_of_invited else matrix.ACTIVE
        world.become(Case(stand, target_status=status, granted=granted | matrix.IDENTITY))
        told = {name: _told_with(world, surface, keys) for name, keys in KEYS_THERE.items()}
        for name, texts in told.items():
            assert texts == told["no keys"], f"{surface.name}: {name}"
        compared[told["no keys"][0]] += 1
    # Most of it was answered and not refused; what is about keys is not found.
    assert compared["404"] == sum(surface.known_by in (Act.KNOW_OF_KEY, Act.BE_ONESELF) for surface in SURFACES)
    assert compared["403"] <= 4
    assert compared["200"] + compared["302"] > 35


def _told_with(world: World, surface: Surface, change: Callable[[Any], None]) -> list[str]:
    """All that the actor is told by one request and by what follows it, where there are such keys; then undone."""
    with undone():
        change(ClassicKey.objects.exclude(holder_id__in=world.seen_by_actor()))
        answer = world.ask(surface)
        told = [str(answer.status), answer.location, answer.body]
        if surface.method == "POST":
            told += [body_of(world.client.get(answer.location or "/iam/users")).decode()]
            told += [body_of(world.client.get("/iam/activity")).decode()]
    # What is another each time: the token of forms, and the time at the foot of the page.
    each_time = r'name="csrfmiddlewaretoken" value="[^"]+"|as of [^<]+'
    return [re.sub(each_time, "", text) for text in told]


def _answer_about(world: World, surface: Surface, is_missing: bool) -> tuple[int, str, list[tuple[str, str]]]:
    about = {
        KEY: world.key_ids[world.target.pk], PLATFORM: world.platform_id, MEMBER: world.target.pk,
        SESSION: world.session_uid,
    }[surface.about]  # fmt: skip
    missing = uuid.uuid4() if surface.about == SESSION else 4_004_004
    number = missing if is_missing else about
    url = reverse(surface.route, args=[number]) + surface.query.format(new_parent=world.new_parent.pk)
    client = world.client
    client.cookies[settings.SESSION_COOKIE_NAME] = world.session_key
    with undone():
        response = client.generic(surface.method, url) if surface.method == "GET" else client.post(url, surface.data)
    body = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", body_of(response).decode())
    headers = [
        (name, text) for name, text in response.headers.items() if name not in ("X-Request-ID", "Content-Length")
    ]
    return response.status_code, body.replace(url.replace("&", "&amp;"), "(here)"), headers
