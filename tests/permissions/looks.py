"""What is in a page or file that is shown: exactly what the table lets its viewer see and do."""

import csv
import io
import re

from accounts import notifications
from tests import matrix
from tests.matrix import Act, Case, Stand, may
from tests.permissions.world import World, below


def table_rows(body: str) -> list[str]:
    return re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2].partition("</tbody>")[0], re.DOTALL)


def menu_of(row: str) -> list[str]:
    return re.findall(r'class="menu__entry[^>]*>([^<]+)</a>', row)


def user_of(row: str) -> int:
    return int(re.search(r'href="/iam/users/(\d+)"', row)[1])


def look_at_key_list(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): menu_of(row) for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    assert all(menu == ["View details", "Delete"] for menu in rows.values()), where
    assert (world.target.pk in rows) is may(Act.SEE_KEY, case), where
    shown_keys = set(re.findall(r'/iam/apikeys/classic/(\d+)["/]', body))
    assert shown_keys == {str(world.key_ids[pk]) for pk in rows}, where
    assert "Create a classic infrastructure key" not in body, where


def look_at_key_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    listed = [emails[row["Email"]] for row in csv.DictReader(io.StringIO(body))]
    assert sorted(listed) == sorted(world.seen_by_actor()), where


def look_at_my_platform_keys(world: World, case: Case, body: str, where: str) -> None:
    look_at_platform_keys(world, body, where, is_listed=world.actor.pk == world.target.pk)
    assert ("Create an IBM Cloud API key" in body) is (case.actor_status == matrix.ACTIVE), where
    assert ('<option value="all">' in body) is may(Act.SEE_ALL_PLATFORM_KEYS, case), where


def look_at_all_platform_keys(world: World, case: Case, body: str, where: str) -> None:
    """Only the target has one."""
    is_listed = world.target.account_id == world.actor.account_id
    look_at_platform_keys(world, body, where, is_listed=is_listed)
    if is_listed:
        # Whom the account hides from the actor is named, and has no page for them.
        assert (f'href="/iam/users/{world.target.pk}"' in body) is may(Act.SEE_USER, case), where
    assert is_listed is may(Act.SEE_PLATFORM_KEY, case), where


def look_at_platform_keys(world: World, body: str, where: str, *, is_listed: bool) -> None:
    rows = table_rows(body)
    assert len(rows) == is_listed, where
    expected = {str(world.platform_id)} if is_listed else set()
    assert set(re.findall(r"/iam/apikeys/platform/(\d+)/", body)) == expected, where
    assert [menu_of(row) for row in rows] == [["Edit", "Lock", "Delete"]] * is_listed, where


def look_at_my_platform_csv(world: World, case: Case, body: str, where: str) -> None:
    look_at_platform_csv(world, body, where, is_listed=world.actor.pk == world.target.pk)


def look_at_all_platform_csv(world: World, case: Case, body: str, where: str) -> None:
    look_at_platform_csv(world, body, where, is_listed=may(Act.SEE_PLATFORM_KEY, case))


def look_at_platform_csv(world: World, body: str, where: str, *, is_listed: bool) -> None:
    emails = [row["Email"] for row in csv.DictReader(io.StringIO(body))]
    assert emails == [world.target.user.email] * is_listed, where


def look_at_details(world: World, case: Case, body: str, where: str) -> None:
    url = f"/iam/apikeys/classic/{world.key_ids[world.target.pk]}"
    for act, entry in (
        (Act.SHOW_VALUE, f'action="{url}/show"'),
        (Act.SHOW_VALUE, f'action="{url}/download"'),
        (Act.RESTRICT_KEY, f'href="{url}/restriction"'),
        (Act.DELETE_KEY, f'href="{url}/delete"'),
    ):
        assert (entry in body) is may(act, case), f"{entry}: {where}"


def look_at_users(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    is_owner = world.actor.is_owner
    all_of_them = is_owner or not case.list_is_restricted
    assert ('href="/iam/users/invite_users"' in body) is may(Act.INVITE, case), where
    assert ('href="/iam/settings"' in body) is may(Act.CHANGE_SETTINGS, case), where
    assert ('href="/iam/users/add_vpn_user"' in body) is may(Act.ADD_VPN_USER, case), where
    assert set(rows) == (world.everybody_here() if all_of_them else world.seen_by_actor()), where
    look_at_member_rows(world, case, rows, where)


def look_at_users_csv(world: World, case: Case, body: str, where: str) -> None:
    emails, rows = emails_of(world), list(csv.DictReader(io.StringIO(body)))
    is_everybody = world.actor.is_owner or not case.list_is_restricted
    listed = world.everybody_here() if is_everybody else world.seen_by_actor()
    assert sorted(emails[row["Email"]] for row in rows) == sorted(listed), where
    # A parent whom the actor may not see is not told either.
    assert {emails[row["Parent"]] for row in rows if row["Parent"]} <= listed, where


def look_at_hierarchy(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    look_at_member_rows(world, case, rows, where)


def look_at_picture(world: World, case: Case, body: str, where: str) -> None:
    """Three levels from the actor down: nobody who is not below them, and those right below."""
    drawn = {int(pk) for pk in re.findall(r'href="/iam/users(?:/|\?view=picture&amp;root=)(\d+)" tabindex', body)}
    right_below = {member.pk for member in [*world.members, *world.foreign] if member.parent_id == world.actor.pk}
    assert {world.actor.pk} | right_below <= drawn <= world.seen_by_actor(), where


def look_at_member_rows(world: World, case: Case, rows: dict[int, str], where: str) -> None:
    below_or_self = world.seen_by_actor()
    for pk, row in rows.items():
        state = re.search(r'data-label="Classic key">(.*?)</td>', row)[1]
        assert bool(state) is (pk in below_or_self), where
    target = rows.get(world.target.pk)
    if target is not None:
        entries = (
            ("Manage user", Act.SEE_CARE), ("Resend invite", Act.RESEND_INVITE), ("Cancel invite", Act.CANCEL_INVITE),
            ("Remove user", Act.REMOVE), ("Freeze branch", Act.FREEZE_BRANCH),
            ("Revoke keys in branch", Act.REVOKE_BRANCH),
        )  # fmt: skip
        assert menu_of(target) == [label for label, act in entries if may(act, case)], where


def look_at_user(world: World, case: Case, body: str, where: str) -> None:
    pk, key = world.target.pk, world.key_ids[world.target.pk]
    for act, entry in (
        (Act.SEE_CARE, 'id="restrictions-heading"'),
        (Act.SEE_CARE, "<dt>Last login</dt>"),
        (Act.SEE_CARE, 'id="vpn-heading"'),
        (Act.SEE_CARE, f'href="/iam/users/{pk}?tab=manage"'),
        (Act.SEE_CARE, world.target.api_username),
        (Act.RESTRICT_USER, f'action="/iam/users/{pk}/restrictions"'),
        (Act.CHANGE_STATUS, f'action="/iam/users/{pk}/status"'),
        (Act.CHANGE_STATUS, f'href="/iam/users/{pk}/status"'),
        (Act.CHANGE_PARENT, f'href="/iam/users/{pk}/parent"'),
        (Act.CHANGE_LOGIN, f'action="/iam/users/{pk}/login"'),
        (Act.REMOVE, f'href="/iam/users/{pk}/remove"'),
        (Act.FREEZE_BRANCH, f'href="/iam/users/{pk}/freeze"'),
        (Act.REVOKE_BRANCH, f'href="/iam/users/{pk}/revoke_keys"'),
        (Act.RESEND_INVITE, f'href="/iam/users/{pk}/resend_invite"'),
        (Act.CANCEL_INVITE, f'href="/iam/users/{pk}/cancel_invite"'),
        (Act.SET_VPN_PASSWORD, f'href="/iam/users/{pk}/vpn_password"'),
        (Act.END_SESSIONS, f'href="/iam/users/{pk}/end_sessions"'),
        (Act.KNOW_OF_KEY, "One classic infrastructure key per user."),
        (Act.SEE_PLATFORM_KEY, f'href="/iam/apikeys/platform/{world.platform_id}/delete?next=%2Fiam%2Fusers%2F{pk}"'),
        (Act.SEE_PLATFORM_KEY, ">IBM Cloud API key<"),
        (Act.CREATE_PLATFORM_KEY, f'href="/iam/users/{pk}/platform_key?next=%2Fiam%2Fusers%2F{pk}"'),
        (Act.SEE_KEY, f'href="/iam/apikeys/classic/{key}?next=%2Fiam%2Fusers%2F{pk}"'),
        (Act.DELETE_KEY, f'href="/iam/apikeys/classic/{key}/delete?next=%2Fiam%2Fusers%2F{pk}"'),
    ):
        assert (entry in body) is may(act, case), f"{entry}: {where}"
    has_card = may(Act.KNOW_OF_KEY, case) or may(Act.SEE_PLATFORM_KEY, case)
    assert ('id="keys-heading"' in body) is has_card, where
    has_key_field = 'name="classic"' in body
    assert has_key_field is (may(Act.RESTRICT_USER, case) and may(Act.RESTRICT_KEY, case)), where
    assert "classic_key" not in body, where  # no create form while there is a key
    assert f"classic/{key}" in body or "classic/" not in body, where


def said_in(row: str) -> list[str]:
    """The powers of a row: a sentence over the key, its parts separated by commas, and a list over the user."""
    key, user = (re.search(rf'data-label="Rights over the {what}">(.*?)</td>', row)[1] for what in ("key", "user"))
    over_user = re.findall("<li>(.*?)</li>", user)
    assert key
    assert f"<summary>{len(over_user)} right" in user if over_user else user == "None at present"
    told = [*(key.split(", ") if key != "None at present" else ()), *over_user]
    return [right[0].lower() + right[1:] for right in told]


#: Which right is told in which words, where these are always the same; ``look_at_managers`` knows the two others.
RIGHTS = {
    "view this key": Act.SEE_KEY,
    "see the value of this key": Act.SHOW_VALUE,
    "restrict the addresses this key is used from": Act.RESTRICT_KEY,
    "delete this key": Act.DELETE_KEY,
    "know whether this user has a key": Act.KNOW_OF_KEY,
    "revoke the keys in this user&#x27;s branch": Act.REVOKE_BRANCH,
    "create this user&#x27;s key while there is none": Act.CREATE_KEY,
    "see this user": Act.SEE_USER,
    "see how this user is looked after": Act.SEE_CARE,
    "see the events about this user in Activity": Act.SEE_EVENTS,
    "restrict the addresses this user logs in from": Act.RESTRICT_USER,
    "set this user&#x27;s VPN password": Act.SET_VPN_PASSWORD,
    "change this user&#x27;s status": Act.CHANGE_STATUS,
    "change this user&#x27;s parent": Act.CHANGE_PARENT,
    "change this user&#x27;s permissions": Act.CHANGE_PERMISSIONS,
    "turn user-managed login on or off for this user": Act.CHANGE_LOGIN,
    "send this user&#x27;s invitation again": Act.RESEND_INVITE,
    "freeze or thaw this user&#x27;s branch": Act.FREEZE_BRANCH,
    "cancel this user&#x27;s invitation": Act.CANCEL_INVITE,
    "end this user&#x27;s login sessions": Act.END_SESSIONS,
    "change the account&#x27;s settings": Act.CHANGE_SETTINGS,
    "see and manage this user&#x27;s IBM Cloud API keys": Act.SEE_PLATFORM_KEY,
}
OF_A_KEY = {Act.SEE_KEY, Act.SHOW_VALUE, Act.RESTRICT_KEY, Act.DELETE_KEY}
#: What concerns nobody who is in the account, and what a user alone may do.
NOT_TOLD = {
    Act.INVITE, Act.ADD_VPN_USER, Act.SEE_SESSION, Act.GRANT_TO_ONESELF, Act.BE_ONESELF,
    Act.SEE_ALL_PLATFORM_KEYS, Act.CREATE_PLATFORM_KEY,
}  # fmt: skip


def look_at_managers(world: World, case: Case, body: str, where: str) -> None:
    if not may(Act.SEE_CARE, case):
        return look_at_user(world, case, body, where)
    names = {member.user.name: member for member in [*world.members, *world.foreign]}
    powers = {names[re.search(r"<bdi>(.*?)</bdi>", row)[1]].pk: said_in(row) for row in table_rows(body)}
    knows = may(Act.KNOW_OF_KEY, case)
    for pk, listed in powers.items():
        stand = stand_of(world, pk)
        actor_is_meant = pk == world.actor.pk
        assert ("see the value of this key" in listed) <= (knows and pk == world.creator.pk), where
        assert ("view this key" in listed) <= (knows and stand in matrix.SELF | matrix.ABOVE), where
        if actor_is_meant:
            said = {words: may(act, case) and (knows or act not in OF_A_KEY) for words, act in RIGHTS.items()}
            said["leave the account" if stand in matrix.SELF else "remove this user from the account"] = may(
                Act.REMOVE, case
            )
            is_administrator = bool(case.granted & matrix.IDENTITY) and not case.list_is_restricted
            said["see which users and keys are not used"] = may(Act.SEE_INACTIVE, case) and (
                stand in matrix.ABOVE or (stand not in matrix.SELF and is_administrator)
            )
            assert set(listed) == {words for words, holds in said.items() if holds}, where
    must_be_there = {world.members[n].pk for n in range(10) if world.number_of[world.target.pk] in below(n)}
    assert must_be_there <= set(powers), where
    return None


def look_at_preview(world: World, case: Case, body: str, where: str) -> None:
    """Who would gain and lose sight of keys, to whoever may move somebody; which keys, to those above alone."""
    section = re.search(r'id="keys-heading">Keys that move</h2>(.*?)</section>', body, re.DOTALL)[1]
    holders = set(re.findall(r"<bdi>(.*?)</bdi>", section))
    knows = may(Act.KNOW_OF_KEY, case)
    names = {member.user.name for member in world.members if member.pk in world.branch_of_target()}
    assert holders == (names if knows else set()), where
    assert ("3 keys:" in section) is knows, where


def stand_of(world: World, pk: int) -> Stand:
    """How another member stands to the target."""
    number, target = world.number_of[pk], world.number_of[world.target.pk]
    if number == target:
        return Stand.SELF_CREATOR
    return Stand.GRANDPARENT if target in below(number) else Stand.SIBLING


def look_at_inactive_users(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): row for row in table_rows(body)}
    assert set(rows) == inactive_users_of(world, case), where
    for pk, row in rows.items():
        # Whether there is a key is for its holder and those above alone.
        state = re.search(r'data-label="Classic key">(.*?)</td>', row)[1]
        assert bool(state) is (pk in world.seen_by_actor()), where
    if world.target.pk in rows:
        assert menu_of(rows[world.target.pk]) == ["Remove"] * may(Act.REMOVE, case), where


def inactive_users_of(world: World, case: Case) -> set[int]:
    """Who is in the actor's report: the account's users or those below, if they sign in at all; never the actor."""
    is_administrator = bool(case.granted & matrix.IDENTITY) and not case.list_is_restricted
    listed = world.everybody_here() if world.actor.is_owner or is_administrator else world.seen_by_actor()
    return listed - {world.actor.pk} - (set() if case.target_status in matrix.SIGNED_IN else {world.target.pk})


def look_at_inactive_users_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    listed = [emails[row["Email"]] for row in csv.DictReader(io.StringIO(body))]
    assert sorted(listed) == sorted(inactive_users_of(world, case)), where


def look_at_inactive_keys(world: World, case: Case, body: str, where: str) -> None:
    rows = {user_of(row): menu_of(row) for row in table_rows(body)}
    assert set(rows) == world.seen_by_actor(), where
    assert all(menu == ["Delete"] for menu in rows.values()), where


def look_at_unused_platform_keys(world: World, case: Case, body: str, where: str) -> None:
    """Those of all users, for whoever may see them; for others the other view, and no word of this one."""
    sees_all = world.actor.is_owner or bool(case.granted & matrix.IDENTITY)
    assert ('<select id="view"' in body) is sees_all, where
    if not sees_all:
        return look_at_inactive_keys(world, case, body, where)
    is_listed = may(Act.SEE_PLATFORM_KEY, case)
    deleted = re.findall(r"/iam/apikeys/platform/(\d+)/(\w+)", body)
    assert deleted == [(str(world.platform_id), "delete")] * is_listed, where
    return None


def look_at_unused_platform_csv(world: World, case: Case, body: str, where: str) -> None:
    if world.actor.is_owner or case.granted & matrix.IDENTITY:
        look_at_platform_csv(world, body, where, is_listed=may(Act.SEE_PLATFORM_KEY, case))
    else:
        look_at_key_csv(world, case, body, where)


def emails_of(world: World) -> dict[str, int]:
    return {member.user.email: member.pk for member in [*world.members, *world.foreign]}


def look_at_activity(world: World, case: Case, body: str, where: str) -> None:
    listed = {user for email, user in emails_of(world).items() if f">{email}</span>" in body}
    assert listed == world.seen_by_actor(), where
    assert (world.target.pk in listed) is may(Act.SEE_EVENTS, case), where


def look_at_activity_csv(world: World, case: Case, body: str, where: str) -> None:
    emails = emails_of(world)
    on = {emails[re.search(r"<(.*)>", row["On"])[1]] for row in csv.DictReader(io.StringIO(body))}
    assert on == world.seen_by_actor(), where


def look_at_sessions(world: World, case: Case, body: str, where: str) -> None:
    rows = table_rows(body)
    assert len(rows) == 1 + may(Act.SEE_SESSION, case), where
    assert (f"/user/sessions/{world.session_uid}/end" in body) is may(Act.SEE_SESSION, case), where
    assert ["this session" in row for row in rows] == [True, False][: len(rows)], where


def look_at_notifications(world: World, case: Case, body: str, where: str) -> None:
    found = notifications.events_for(world.actor)
    assert len(table_rows(body)) == found.count(), where
    assert not found.filter(actor_id=world.actor.pk), where


LOOKS = {
    ("keys:classic-list", ""): look_at_key_list,
    ("keys:classic-csv", ""): look_at_key_csv,
    ("keys:classic-list", "?view=my"): look_at_my_platform_keys,
    ("keys:platform-csv-my", ""): look_at_my_platform_csv,
    ("keys:classic-list", "?view=all"): look_at_all_platform_keys,
    ("keys:platform-csv-all", ""): look_at_all_platform_csv,
    ("keys:classic-details", ""): look_at_details,
    ("accounts:users", ""): look_at_users,
    ("accounts:users", "?view=hierarchy"): look_at_hierarchy,
    ("accounts:users-csv", ""): look_at_users_csv,
    ("accounts:users", "?view=picture"): look_at_picture,
    ("accounts:user", ""): look_at_user,
    ("accounts:user", "?tab=manage"): look_at_managers,
    ("accounts:parent", "?parent={new_parent}"): look_at_preview,
    ("accounts:login-sessions", ""): look_at_sessions,
    ("accounts:notifications", ""): look_at_notifications,
    ("keys:inactive", ""): look_at_inactive_users,
    ("keys:inactive", "?tab=keys"): look_at_inactive_keys,
    ("keys:inactive", "?tab=keys&view=all"): look_at_unused_platform_keys,
    ("keys:inactive-csv", ""): look_at_inactive_users_csv,
    ("keys:inactive-csv", "?tab=keys&view=all"): look_at_unused_platform_csv,
    ("keys:inactive-csv", "?tab=keys"): look_at_key_csv,
    ("accounts:activity", ""): look_at_activity,
    ("accounts:activity-csv", ""): look_at_activity_csv,
}
