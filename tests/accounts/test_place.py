"""A user's place in the account, through the pages: status, parent, permissions, login, removal."""

import re

import pytest

from accounts import memberships
from accounts.enums import Permission
from accounts.models import Event, Member, Session
from accounts.new_members import add_member, add_vpn_user
from accounts.origin import Origin
from accounts.policy import NotAllowed
from accounts.sessions import row_key
from keys import material
from keys.models import ClassicKey, KeptRestriction
from keys.verification import verify
from tests.conftest import BOREALIS
from tests.trees import grow, make_key, make_member
from tests.visitors import session_of, visitor

pytestmark = pytest.mark.django_db

ORIGIN = Origin("17.5.7.8", "place")


def events_of(action: str, **about: object) -> list[Event]:
    return list(Event.objects.filter(action=action, outcome="success", **about).order_by("number"))


def page(client, url: str) -> str:
    answer = client.get(url, follow=True)
    assert answer.status_code == 200, url
    return answer.content.decode()


def calls_pass(holder: Member) -> bool:
    key = ClassicKey.objects.filter(holder=holder).first()
    value = material.take(key).text if key else "0" * 64
    return verify(holder.api_username, value, "17.5.7.8").accepted


def in_borealis(member: Member) -> Member:
    return Member.objects.get(account_id=BOREALIS, user_id=member.user_id)


# --- Status -----------------------------------------------------------------------------------------------------------


def test_suspending_stops_pages_and_calls_at_once_and_activating_brings_them_back(cast):
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    assert calls_pass(priya)
    answer = marcus.post(f"/iam/users/{priya.pk}/status", {"status": "suspended"}, follow=True)
    assert "User status applied" in answer.content.decode()
    assert not calls_pass(priya)
    assert visitor(priya).get("/iam/apikeys").status_code == 403
    marcus.post(f"/iam/users/{priya.pk}/status", {"status": "active"})
    assert calls_pass(priya)
    assert [event.facts for event in events_of("member.status_changed", subject_id=priya.pk)] == [
        {"before": "Active", "after": "Suspended"}, {"before": "Suspended", "after": "Active"},
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "entry", "sent"), [
    ("active", "Suspend", "suspended"), ("vpn_only", "Suspend", "suspended"), ("suspended", "Activate", "active"),
])  # fmt: skip
def test_actions_of_a_user_ask_before_they_suspend_or_activate(cast, status, entry, sent):
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    Member.objects.filter(pk=priya.pk).update(status=status)
    page, address = marcus.get(f"/iam/users/{priya.pk}").content.decode(), f"/iam/users/{priya.pk}/status"
    assert re.findall(rf'href="{address}" data-dialog>(\w+)<', page) == [entry]
    assert f'href="{address}"' not in marcus.get("/iam/users").content.decode()
    asked = marcus.get(address).content.decode()
    assert f">{entry} user</h1>" in asked
    assert Member.objects.get(pk=priya.pk).status == status
    (status_field,) = re.findall(r'name="status" value="(\w+)"', asked)
    assert status_field == sent
    assert marcus.post(address, {"status": status_field})["Location"] == f"/iam/users/{priya.pk}"
    assert Member.objects.get(pk=priya.pk).status == sent


def test_saving_the_same_status_is_no_change_and_no_event(cast):
    visitor(cast["marcus"]).post(f"/iam/users/{cast['priya'].pk}/status", {"status": "active"})
    assert not events_of("member.status_changed", subject_id=cast["priya"].pk)


@pytest.mark.parametrize("status", ["active", "disabled_classic"])
@pytest.mark.parametrize("creator", ["marcus", "somebody who has left"])
def test_key_that_another_made_goes_when_its_user_comes_to_log_in(cast, status, creator):
    """Whoever makes somebody VPN-only, creates their key and makes them active again would call in their name."""
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    for sent in ("vpn_only", "suspended", "vpn_only"):
        marcus.post(f"/iam/users/{priya.pk}/status", {"status": sent})
    assert ClassicKey.objects.filter(holder=priya, creator=priya).exists()  # their own stays
    ClassicKey.objects.filter(holder=priya).delete()
    key = make_key(priya, creator=cast["marcus"])
    ClassicKey.objects.filter(pk=key.pk).update(
        allowed_addresses="17.5.7.8", creator=cast["marcus"] if creator == "marcus" else None
    )
    for sent in ("suspended", "vpn_only"):
        marcus.post(f"/iam/users/{priya.pk}/status", {"status": sent})
    assert ClassicKey.objects.filter(pk=key.pk).exists()
    assert "It is deleted if you apply a status" in page(marcus, f"/iam/users/{priya.pk}")
    marcus.post(f"/iam/users/{priya.pk}/status", {"status": status})
    assert not ClassicKey.objects.filter(holder=priya).exists()
    (event,) = events_of("classic_key.deleted", subject_id=priya.pk)
    assert (event.actor_id, event.facts) == (cast["marcus"].pk, {"why": "its user logs in"})
    assert KeptRestriction.objects.get(holder=priya).allowed_addresses == "17.5.7.8"


def test_own_key_stays_whatever_the_status(cast):
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    for sent in ("vpn_only", "active", "suspended", "disabled_classic", "active"):
        marcus.post(f"/iam/users/{priya.pk}/status", {"status": sent})
    assert calls_pass(priya)
    assert "It is deleted if you apply a status" not in page(marcus, f"/iam/users/{priya.pk}")


def test_suspension_ends_the_sessions_of_whoever_has_no_other_account(cast):
    """Noor works in Borealis too, Priya nowhere else."""
    priya, noor, marcus = visitor(cast["priya"]), visitor(cast["noor"]), visitor(cast["marcus"])
    for name in ("priya", "noor"):
        marcus.post(f"/iam/users/{cast[name].pk}/status", {"status": "suspended"})
    assert not Session.objects.filter(pk=row_key(session_of(priya).session_key)).exists()
    noor.post("/account/switch", {"account": BOREALIS})
    assert noor.get("/iam/apikeys").status_code == 200


def test_account_that_added_somebody_without_an_invitation_keeps_no_session_of_theirs(cast):
    """They cannot log in there, whatever status it gives them."""
    sam = in_borealis(cast["sam"])
    added = add_vpn_user(name="Priya", email="priya@acme.example", password="", by=sam, origin=ORIGIN)
    Member.objects.filter(pk=added.pk).update(status="active")
    priya = visitor(cast["priya"])
    visitor(cast["marcus"]).post(f"/iam/users/{cast['priya'].pk}/status", {"status": "suspended"})
    assert not Session.objects.filter(pk=row_key(session_of(priya).session_key)).exists()


@pytest.mark.parametrize("ending", ["removed", "vpn_only"])
def test_whoever_cannot_log_in_to_the_account_any_more_has_no_session_in_it(cast, ending):
    """Noor works in Borealis too: what she does there goes on, and no session comes over from here by itself."""
    marcus, here, there = visitor(cast["marcus"]), visitor(cast["noor"]), visitor(in_borealis(cast["noor"]))
    own = f"/iam/users/{cast['noor'].pk}"
    sent = marcus.post(f"{own}/remove") if ending == "removed" else marcus.post(f"{own}/status", {"status": ending})
    assert sent.status_code == 302
    assert list(Session.objects.filter(user_id=cast["noor"].user_id).values_list("account_id", flat=True)) == [BOREALIS]
    assert here.get("/iam/apikeys")["Location"].startswith("/login?")
    assert there.get("/iam/apikeys").status_code == 200


@pytest.mark.parametrize("status", ["pending", "invalid", "", "owner"])
def test_a_status_that_nobody_chooses_is_refused_by_name(cast, status):
    answer = visitor(cast["marcus"]).post(f"/iam/users/{cast['priya'].pk}/status", {"status": status})
    assert 'id="id_status_error"' in answer.content.decode()
    assert Member.objects.get(pk=cast["priya"].pk).status == "active"


@pytest.mark.parametrize("status", ["pending", "invalid", "processing"])
def test_a_status_that_nobody_chooses_is_refused_by_the_write_too(cast, origin, status):
    with pytest.raises(ValueError, match="is not a status that can be chosen"):
        memberships.change_status(member=cast["priya"], status=status, by=cast["olivia"], origin=origin)
    assert Member.objects.get(pk=cast["priya"].pk).status == "active"


def test_a_status_that_came_about_by_itself_is_shown_and_has_to_be_replaced(cast):
    Member.objects.filter(pk=cast["priya"].pk).update(status="invalid")
    shown = page(visitor(cast["marcus"]), f"/iam/users/{cast['priya'].pk}")
    assert '<option value="" selected>Invalid</option>' in shown


# --- Parent -----------------------------------------------------------------------------------------------------------


def names_under(heading: str, shown: str) -> set[str]:
    section = re.search(rf">{heading}</h2>(.*?)</section>", shown, re.DOTALL)[1]
    return set(re.findall(r"<bdi>([^<]+)</bdi>", section))


def test_the_preview_says_who_gains_and_who_loses_sight_of_which_keys(cast):
    olivia, priya, sam = visitor(cast["olivia"]), cast["priya"], cast["sam"]
    make_key(cast["noor"])
    shown = page(olivia, f"/iam/users/{priya.pk}/parent?parent={sam.pk}")
    assert "2 keys" in shown
    assert names_under("Keys that move", shown) == {"Priya Raman", "Noor Haddad"}
    assert names_under("Will be able to see and delete them", shown) == {"Sam Okafor"}
    assert names_under("Will no longer see them", shown) == {"Marcus Lindqvist"}
    assert Member.objects.get(pk=priya.pk).parent_id == cast["marcus"].pk  # nothing has been done


@pytest.mark.parametrize("role", [Permission.USER_EDITOR, Permission.USER_ADMINISTRATOR])
@pytest.mark.parametrize("viewer", ["sam", "noor"])  # elsewhere in the tree, and below the one who moves
def test_the_preview_tells_who_is_not_above_the_same_with_keys_and_without(cast, viewer, role):
    Member.objects.filter(pk=cast[viewer].pk).update(permissions=role)
    client, url = visitor(cast[viewer]), f"/iam/users/{cast['priya'].pk}/parent?parent={cast['olivia'].pk}"
    each_time = r'name="csrfmiddlewaretoken" value="[^"]+"|as of [^<]+'
    shown = [re.sub(each_time, "", page(client, url))]
    ClassicKey.objects.exclude(holder=cast[viewer]).delete()
    shown.append(re.sub(each_time, "", page(client, url)))
    assert shown[0] == shown[1]
    assert "<p>Their keys, if they have any, move with them.</p>" in shown[0]
    # Who is above whom is no secret.
    assert names_under("Will no longer see them", shown[0]) == {"Marcus Lindqvist"}
    assert names_under("Will no longer see them", shown[0]) == {"Marcus Lindqvist"}


def test_former_parent_is_told_that_a_user_has_left_their_branch(cast):
    olivia, marcus, noor = visitor(cast["olivia"]), cast["marcus"], cast["noor"]
    left = {"action": "member.branch_left"}
    for parent, told in (("marcus", ["priya"]), ("sam", ["priya", "marcus"])):
        olivia.post(f"/iam/users/{noor.pk}/parent", {"parent": cast[parent].pk})
        assert list(Event.objects.filter(**left).order_by("number").values_list("subject_id", flat=True)) == [
            cast[name].pk for name in told
        ]
    seen = page(visitor(marcus), "/user/notifications")
    assert "User moved out of the branch" in seen
    assert "Noor Haddad" in seen
    assert "Sam Okafor" not in seen
    # Nobody is told of what they did, nor of somebody who is still below them.
    visitor(marcus).post(f"/iam/users/{cast['berlin'].pk}/parent", {"parent": cast["priya"].pk})
    visitor(marcus).post(f"/iam/users/{cast['berlin'].pk}/parent", {"parent": marcus.pk})
    olivia.post(f"/iam/users/{cast['berlin'].pk}/parent", {"parent": cast["priya"].pk})
    assert Member.objects.get(pk=cast["berlin"].pk).parent_id == cast["priya"].pk
    assert Event.objects.filter(**left, subject_id=marcus.pk).count() == 1


def test_rights_follow_the_new_parent_at_once(cast):
    key = ClassicKey.objects.get(holder=cast["priya"])
    sam, marcus = visitor(cast["sam"]), visitor(cast["marcus"])
    address = f"/iam/apikeys/classic/{key.pk}"
    assert (sam.get(address).status_code, marcus.get(address).status_code) == (404, 200)
    visitor(cast["olivia"]).post(f"/iam/users/{cast['priya'].pk}/parent", {"parent": cast["sam"].pk})
    assert (sam.get(address).status_code, marcus.get(address).status_code) == (200, 404)
    (event,) = events_of("member.parent_changed")
    assert (event.facts["before_id"], event.facts["after_id"]) == (cast["marcus"].pk, cast["sam"].pk)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("chosen", ["sam", "noor", "priya", "marcus", "olivia", "berlin", "lena", "dmitri"])
def test_who_manages_their_branch_moves_people_within_it(cast, chosen):
    """Not out of it, not below themselves, not under somebody who does not work here, not to where they are."""
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    answer = marcus.post(f"/iam/users/{priya.pk}/parent", {"parent": cast[chosen].pk}, follow=True)
    is_there = "Marcus Lindqvist is already the parent of Priya Raman."  # a second click, after the first has moved her
    assert (is_there if chosen == "marcus" else "This user cannot be the parent") in answer.content.decode()
    assert Member.objects.get(pk=priya.pk).parent_id == cast["marcus"].pk
    refused = [(event.subject_id, event.facts["why"]) for event in Event.objects.filter(action="permission.refused")]
    why = "You may not make this user the parent."
    assert refused == ([] if chosen == "marcus" else [(priya.pk, why)])  # where she is already is no refusal
    noor = marcus.post(f"/iam/users/{cast['noor'].pk}/parent", {"parent": cast["marcus"].pk})
    assert noor.status_code == 302


def test_only_those_are_offered_who_can_be_chosen(cast):
    shown = page(visitor(cast["marcus"]), f"/iam/users/{cast['noor'].pk}/parent")
    assert re.findall(r'\?parent=(\d+)"', shown) == [str(cast["marcus"].pk)]
    everybody = page(visitor(cast["olivia"]), f"/iam/users/{cast['noor'].pk}/parent")
    offered = {int(pk) for pk in re.findall(r'\?parent=(\d+)"', everybody)}
    assert offered == {cast[name].pk for name in ("olivia", "marcus", "sam")}
    assert re.findall(r'\?parent=(\d+)"', page(visitor(cast["olivia"]), f"/iam/users/{cast['noor'].pk}/parent?q=sam"))


def test_a_parent_whom_one_may_not_know_of_is_404(cast):
    foreign = Member.objects.get(account_id=BOREALIS, parent=None)
    for number in (foreign.pk, 2**27):
        answer = visitor(cast["olivia"]).post(f"/iam/users/{cast['noor'].pk}/parent", {"parent": number})
        assert answer.status_code == 404


def test_a_tree_too_deep_is_refused_with_the_reason(cast, monkeypatch):
    monkeypatch.setattr("accounts.hierarchy.MAX_DEPTH", 3)
    answer = visitor(cast["olivia"]).post(
        f"/iam/users/{cast['priya'].pk}/parent", {"parent": cast["sam"].pk}, follow=True
    )
    assert "The user hierarchy has at most 3 levels" in answer.content.decode()
    assert Member.objects.get(pk=cast["priya"].pk).parent_id == cast["marcus"].pk


# --- Permissions and login --------------------------------------------------------------------------------------------


def test_boxes_that_were_left_keep_what_others_gave_or_took_meanwhile(cast):
    olivia, sam = visitor(cast["olivia"]), cast["sam"]
    url, page_url = f"/iam/users/{sam.pk}/permissions", f"/iam/users/{sam.pk}?tab=access"
    Member.objects.filter(pk=sam.pk).update(permissions=int(Permission.USER_EDITOR))
    older = dict(re.findall(r'name="(initial-\w+)" value="(\w+)"', page(olivia, page_url)))
    assert (older["initial-user_editor"], older["initial-manage_users"]) == ("True", "False")
    olivia.post(url, older | {"manage_users": "on"})  # another tab gives one and takes one
    olivia.post(url, older | {"user_editor": "on", "user_administrator": "on"})
    held = Permission(Member.objects.get(pk=sam.pk).permissions)
    assert held == Permission.MANAGE_USERS | Permission.USER_ADMINISTRATOR


def test_permissions_of_which_nothing_arrived_stay(cast):
    olivia, sam = visitor(cast["olivia"]), cast["sam"]
    Member.objects.filter(pk=sam.pk).update(permissions=int(Permission.USER_EDITOR))
    answer = olivia.post(f"/iam/users/{sam.pk}/permissions", {}, follow=True)
    assert "Permissions not saved" in answer.content.decode()
    assert Member.objects.get(pk=sam.pk).permissions == Permission.USER_EDITOR


def test_nobody_gives_or_takes_what_they_lack(cast):
    marcus, priya = cast["marcus"], cast["priya"]
    Member.objects.filter(pk=priya.pk).update(permissions=int(Permission.USER_ADMINISTRATOR))
    client = visitor(marcus)
    shown = page(client, f"/iam/users/{priya.pk}?tab=access")
    assert re.findall(r'<input type="checkbox" name="(\w+)"', shown) == ["manage_users"]
    sent = {"manage_users": "on", "user_editor": "on", "user_administrator": "on", "api_key_creator": "on"}
    told = client.post(f"/iam/users/{priya.pk}/permissions", sent, follow=True).content.decode()
    lacked = "that you do not have: User management: Editor, User API key creator."
    assert "Not everything was given" in told
    assert f"You cannot give a permission {lacked}" in told
    only = client.post(f"/iam/users/{priya.pk}/permissions", {"identity_administrator": "on"}, follow=True)
    assert "Not everything was given" in only.content.decode()
    refused, alone = Event.objects.filter(action="permission.refused").order_by("number")
    assert (refused.outcome, refused.actor_id, refused.subject_id) == ("refused", marcus.pk, priya.pk)
    assert refused.facts["why"].endswith(lacked)
    assert alone.facts["why"].endswith("do not have: IAM identity: Administrator.")
    assert Permission(Member.objects.get(pk=priya.pk).permissions) == (
        Permission.USER_ADMINISTRATOR | Permission.MANAGE_USERS
    )
    with pytest.raises(NotAllowed, match="do not have"):
        memberships.change_permissions(member=priya, granted=Permission.USER_EDITOR, by=marcus, origin=ORIGIN)
    client.post(f"/iam/users/{priya.pk}/permissions", {"initial-manage_users": "True"})
    assert Permission(Member.objects.get(pk=priya.pk).permissions) == Permission.USER_ADMINISTRATOR
    assert [event.facts["after"] for event in events_of("member.permissions_changed")] == [
        "Manage users (classic infrastructure), User management: Administrator", "User management: Administrator",
    ]  # fmt: skip


def test_user_managed_login_lets_the_user_restrict_themselves(cast):
    priya, marcus = visitor(cast["priya"]), visitor(cast["marcus"])
    own = f"/iam/users/{cast['priya'].pk}/restrictions"
    sent = {"platform": "127.0.0.0/8", "classic": ""}
    assert priya.post(own, sent).status_code == 403
    for is_on, expected in (("true", 302), ("false", 403)):
        marcus.post(f"/iam/users/{cast['priya'].pk}/login", {"is_on": is_on})
        assert priya.post(own, sent).status_code == expected
    assert len(events_of("member.user_managed_login_changed")) == 2


# --- Removal ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("viewer", "said"), [
    ("noor", "If you have IBM Cloud API keys, these stop working at once."),
    ("priya", "If they have IBM Cloud API keys, these stop working at once."),
    ("sam", "If they have keys, these stop working at once."),  # who may not know whether there is a classic one
])  # fmt: skip
def test_removal_tells_of_keys_also_where_there_is_no_classic_one(cast, viewer, said):
    Member.objects.filter(pk=cast["priya"].pk).update(permissions=Permission.MANAGE_USERS)
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_ADMINISTRATOR)
    shown = page(visitor(cast[viewer]), f"/iam/users/{cast['noor'].pk}/remove")
    assert said in shown
    assert "classic infrastructure API key" not in shown


def test_removal_names_those_who_still_work_below_and_hands_them_over_when_told(cast):
    marcus, priya, noor = visitor(cast["marcus"]), cast["priya"], cast["noor"]
    key = ClassicKey.objects.get(holder=priya)
    name, value = priya.api_username, material.take(key).text
    session = visitor(priya)
    shown = page(marcus, f"/iam/users/{priya.pk}/remove")
    assert "Noor Haddad" in shown
    assert (
        "Their classic infrastructure API key, which was never used, stops working at once. If they have IBM" in shown
    )
    refused = marcus.post(f"/iam/users/{priya.pk}/remove", {})
    assert "Decide about the users below first" in refused.content.decode()
    assert Member.objects.filter(pk=priya.pk).exists()
    done = marcus.post(f"/iam/users/{priya.pk}/remove", {"hand_over": "on"}, follow=True)
    assert "Priya Raman is no longer in the account. If they had keys, these no longer work" in done.content.decode()
    assert not Member.objects.filter(pk=priya.pk).exists()
    assert Member.objects.get(pk=noor.pk).parent_id == cast["marcus"].pk
    assert not verify(name, value, "17.5.7.8").accepted
    assert session.get("/iam/apikeys").status_code == 302
    assert not Session.objects.filter(user=priya.user).exists()
    for action in ("member.removed", "classic_key.deleted", "member.parent_changed"):
        assert len(events_of(action)) == 1
    assert Event.objects.filter(subject_id=priya.pk).exists()  # the trail outlives them


@pytest.mark.parametrize(("remover", "knows"), [("noor", False), ("sam", False), ("marcus", True)])
def test_who_removes_somebody_and_may_not_know_of_their_key_does_not_find_it_in_activity(cast, remover, knows):
    """Its deletion is recorded with their name all the same, for the owner to find."""
    Member.objects.filter(pk=cast[remover].pk).update(permissions=Permission.USER_ADMINISTRATOR)
    client = visitor(cast[remover])
    client.post(f"/iam/users/{cast['priya'].pk}/remove", {"hand_over": "on"})
    (event,) = events_of("classic_key.deleted")
    assert event.actor_label == f"{cast[remover].name} <{cast[remover].user.email}>"
    told = [page(visitor(cast[name]), "/iam/activity") for name in (remover, "olivia")]
    assert all("User removed" in text.partition("<tbody>")[2] for text in told)
    assert ["API key deleted" in text.partition("<tbody>")[2] for text in told] == [knows, True]


@pytest.mark.parametrize("status", ["suspended", "disabled_classic"])
def test_disabled_users_below_move_up_without_a_question(cast, status):
    Member.objects.filter(pk=cast["noor"].pk).update(status=status)
    said = "disabled or suspended, move up to <b><bdi>Marcus Lindqvist"
    assert said in page(visitor(cast["marcus"]), f"/iam/users/{cast['priya'].pk}/remove")
    answer = visitor(cast["marcus"]).post(f"/iam/users/{cast['priya'].pk}/remove", {})
    assert answer.status_code == 302
    assert Member.objects.get(pk=cast["noor"].pk).parent_id == cast["marcus"].pk


def test_removal_asks_for_proof_and_keeps_what_was_decided(cast):
    client = visitor(cast["marcus"])
    session = session_of(client)
    session["proved_at"] = 0
    session.save()
    asked = client.post(f"/iam/users/{cast['priya'].pk}/remove", {"hand_over": "on"}).content.decode()
    assert "To remove the user, enter your password." in asked
    assert '<input type="hidden" name="hand_over" value="on">' in asked
    assert f'<input type="hidden" name="to" value="{cast["marcus"].pk}">' in asked  # whom the question named
    assert Member.objects.filter(pk=cast["priya"].pk).exists()


def test_leaving_ends_the_session_unless_there_is_another_account(cast):
    priya, noor = visitor(cast["priya"]), visitor(cast["noor"])
    left = noor.post(f"/iam/users/{cast['noor'].pk}/remove", {}, follow=True)
    assert "You have left 1234567 - Acme Robotics." in left.content.decode()
    assert "7654321 - Borealis Labs" in left.content.decode()
    gone = priya.post(f"/iam/users/{cast['priya'].pk}/remove", {}, follow=True)
    assert gone.redirect_chain[-1][0].startswith("/login")
    assert "You have left 1234567 - Acme Robotics." in gone.content.decode()


def test_who_leaves_goes_on_in_another_account_in_a_session_of_that_one(cast):
    """Its limits count, and its activity tells that they came."""
    noor, other = visitor(cast["noor"]), visitor(cast["noor"])
    before = session_of(noor).session_key
    noor.post(f"/iam/users/{cast['noor'].pk}/remove", {})
    assert session_of(noor).session_key != before
    assert [session.pk for session in Session.objects.filter(user_id=cast["noor"].user_id)] == [
        row_key(session_of(noor).session_key)
    ]
    assert session_of(noor)["account_id"] == BOREALIS
    (event,) = events_of("user.account_switched", account_id=BOREALIS)
    assert event.actor_id == in_borealis(cast["noor"]).pk
    assert other.get("/iam/apikeys")["Location"].startswith("/login?")


def test_session_that_was_ended_while_its_user_leaves_is_not_brought_back(cast, monkeypatch):
    noor, remove = visitor(cast["noor"]), memberships.remove_member

    def remove_and_end(**asked):
        remove(**asked)
        Session.objects.filter(user_id=cast["noor"].user_id).delete()

    monkeypatch.setattr(memberships, "remove_member", remove_and_end)
    assert noor.post(f"/iam/users/{cast['noor'].pk}/remove", {}).status_code == 400
    assert not Session.objects.filter(user_id=cast["noor"].user_id).exists()


@pytest.mark.parametrize("elsewhere", ["suspended", "disabled_classic"])
def test_who_leaves_is_logged_out_where_they_can_work_nowhere_else(cast, elsewhere):
    noor = visitor(cast["noor"])
    Member.objects.filter(pk=in_borealis(cast["noor"]).pk).update(status=elsewhere)
    left = noor.post(f"/iam/users/{cast['noor'].pk}/remove", {})
    is_over = elsewhere == "suspended"
    assert left["Location"] == ("/login" if is_over else "/")
    assert ("Clear-Site-Data" in left) == is_over
    assert "You have left 1234567 - Acme Robotics." in noor.get(left["Location"], follow=True).content.decode()


def test_who_leaves_goes_on_where_their_address_is_allowed_if_there_is_such_an_account(cast):
    noor, (owner,) = visitor(cast["noor"]), grow([])  # an account whose name comes last
    allowed = add_member(parent=owner, user=cast["noor"].user, origin=ORIGIN)
    Member.objects.filter(pk=in_borealis(cast["noor"]).pk).update(allowed_addresses="17.5.7.8")
    noor.post(f"/iam/users/{cast['noor'].pk}/remove", {})
    assert session_of(noor)["account_id"] == allowed.account_id


def test_the_owner_stays(cast):
    for name in ("olivia", "marcus"):
        answer = visitor(cast[name]).post(f"/iam/users/{cast['olivia'].pk}/remove", {"hand_over": "on"})
        assert answer.status_code == 403
    assert "keeps their place" in answer.content.decode()


def test_a_key_that_the_removed_user_created_for_another_stays_and_opens_for_nobody():
    owner, manager, vpn = grow([0, 1])
    Member.objects.filter(pk=vpn.pk).update(status="vpn_only")
    key = make_key(vpn, creator=manager)
    value = material.take(key).text
    memberships.remove_member(member=manager, by=owner, origin=ORIGIN, hand_over=True)
    assert verify(vpn.api_username, value, "17.5.7.8").accepted
    assert ClassicKey.objects.get(pk=key.pk).creator is None


def test_removed_again_is_refused_and_a_returned_user_begins_anew():
    owner, user = grow([0])
    make_key(user)
    memberships.remove_member(member=user, by=owner, origin=ORIGIN)
    with pytest.raises(NotAllowed, match="no longer a member"):
        memberships.remove_member(member=user, by=owner, origin=ORIGIN)
    again = make_member(owner.account, owner)
    assert again.pk > user.pk
    assert not ClassicKey.objects.filter(holder=again).exists()
