"""Frozen branches: who is kept out and whose key is refused, that thawing undoes nothing but that, and who may."""

import re
from datetime import UTC, datetime

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, hierarchy, memberships, outbox
from accounts.enums import MemberStatus, Permission
from accounts.models import BranchFreeze, Event, Member
from accounts.policy import NotAllowed
from console import demo
from keys import lifecycle, material, usage
from keys.models import ClassicKey
from keys.verification import Reason, verify
from tests.trees import grow, make_key
from tests.visitors import noting_writes, visitor

pytestmark = pytest.mark.django_db


@pytest.fixture
def collector(monkeypatch) -> usage.Collector:
    """This process's notes of calls, empty."""
    monkeypatch.setattr(usage, "collector", usage.Collector())
    return usage.collector


@pytest.fixture
def values(cast, collector) -> dict[str, str]:
    """The values of everybody's keys, Noor's too."""
    make_key(cast["noor"])
    keys = ClassicKey.objects.filter(account=cast["olivia"].account).select_related("holder__user")
    return {key.holder.user.name.split()[0].lower(): material.take(key).text for key in keys}


def works(cast: dict[str, Member], values: dict[str, str]) -> set[str]:
    """By first name, whose keys are accepted."""
    return {name for name, value in values.items() if verify(cast[name].api_username, value, "17.5.7.8").accepted}


@pytest.fixture
def freeze(cast, origin):
    """A function that has Olivia freeze somebody's branch."""

    def freeze(name: str) -> None:
        memberships.freeze_branch(member=cast[name], reason="An audit", by=cast["olivia"], origin=origin)

    return freeze


def everything() -> list[list[tuple[object, ...]]]:
    return [list(model.objects.order_by("pk").values_list()) for model in (Member, ClassicKey)]


# --- What it does -----------------------------------------------------------------------------------------------------


def test_keys_of_the_branch_are_refused_from_the_next_call_on_and_accepted_again_after_thawing(
    cast, values, freeze, origin
):
    all_of_them, before = works(cast, values), everything()
    assert all_of_them == {"olivia", "marcus", "priya", "noor", "berlin", "sam"}
    freeze("priya")
    assert works(cast, values) == {"olivia", "marcus", "berlin", "sam"}
    assert verify(cast["noor"].api_username, values["noor"], "17.5.7.8").reason is Reason.FROZEN
    freeze("marcus")
    assert works(cast, values) == {"olivia", "sam"}
    memberships.thaw_branch(member=cast["marcus"], by=cast["olivia"], origin=origin)
    assert works(cast, values) == {"olivia", "marcus", "berlin", "sam"}
    memberships.thaw_branch(member=cast["priya"], by=cast["olivia"], origin=origin)
    assert works(cast, values) == all_of_them
    assert everything() == before


def test_wrong_value_is_still_a_wrong_value(cast, values, freeze):
    freeze("priya")
    assert verify(cast["noor"].api_username, "0" * 64, "17.5.7.8").reason is Reason.WRONG_VALUE


def test_a_code_within_a_path_at_another_place_is_no_ancestor(origin, collector):
    """A path is compared from its beginning: that a number's digits occur in it further on says nothing."""
    owner, one, other = grow([0, 0])
    value = material.take(make_key(other)).text
    memberships.freeze_branch(member=one, reason="An audit", by=owner, origin=origin)
    assert verify(other.api_username, value, "17.5.7.8").accepted


def test_whoever_moves_into_a_frozen_branch_is_frozen_and_out_of_it_no_longer(cast, values, freeze):
    freeze("marcus")
    hierarchy.move_branch(cast["priya"], cast["sam"])
    assert works(cast, values) == {"olivia", "sam", "priya", "noor"}
    hierarchy.move_branch(cast["sam"], cast["marcus"])
    assert works(cast, values) == {"olivia"}


def test_removing_the_user_at_the_root_ends_the_freeze(cast, values, freeze, origin):
    freeze("priya")
    memberships.remove_member(member=cast["priya"], by=cast["olivia"], origin=origin, hand_over=True)
    assert not BranchFreeze.objects.exists()
    del values["priya"]
    assert "noor" in works(cast, values)


def test_frozen_users_are_told_so_on_every_page_and_can_leave(cast, freeze):
    client = visitor(cast["noor"])
    freeze("marcus")
    for path in ("/iam/apikeys", "/iam/users", f"/iam/users/{cast['noor'].pk}", "/iam/activity"):
        answer = client.get(path)
        assert answer.status_code == 403
        page = answer.content.decode()
        branch = "branch of users in <b>[^<]*Acme Robotics</b>"
        assert re.search(f"Your {branch} has been frozen since <time datetime=", page)
        assert "Someone outside the branch who manages users, or the account owner, can thaw it." in page
        assert 'aria-label="IAM"' not in page
        assert "An audit" not in page
    assert Event.objects.get(action="console.refused").facts == {"why": "frozen"}
    # Why is for the user at the root alone, as the form says.
    assert 'Reason: <bdi class="break">An audit</bdi>' in visitor(cast["marcus"]).get("/").content.decode()
    assert client.post("/account/switch", {"account": "7654321"}).status_code == 302
    assert client.get("/iam/apikeys").status_code == 200
    assert client.post("/logout").status_code == 302


def test_of_frozen_branches_within_each_other_the_topmost_says_since_when(cast, freeze):
    """Whatever the order in which they were frozen: only when that one is thawed can they work again."""
    freeze("priya")
    freeze("marcus")
    noor, early, late = (
        visitor(cast["noor"]),
        datetime(2026, 1, 5, 12, tzinfo=UTC),
        datetime(2026, 3, 9, 12, tzinfo=UTC),
    )
    for above, below in ((early, late), (late, early)):
        BranchFreeze.objects.filter(member=cast["marcus"]).update(at=above)
        BranchFreeze.objects.filter(member=cast["priya"]).update(at=below)
        page = noor.get("/iam/apikeys").content.decode()
        assert re.findall(r'frozen since <time datetime="([^T"]*)', page) == [f"{above:%Y-%m-%d}"]


def test_each_reason_to_be_kept_out_is_an_event_of_its_own_within_a_minute(cast, freeze, monkeypatch):
    client, moment = visitor(cast["noor"]), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    freeze("marcus")
    assert [client.get("/iam/apikeys").status_code for _ in range(2)] == [403, 403]
    Member.objects.filter(pk=cast["noor"].pk).update(status="suspended")
    assert [client.get("/iam/apikeys").status_code for _ in range(2)] == [403, 403]
    kept_out = Event.objects.filter(action="console.refused").order_by("number")
    assert [event.facts["why"] for event in kept_out] == ["frozen", "suspended"]


def test_frozen_user_signs_in_where_they_can_work(cast, sign_in, freeze):
    freeze("marcus")
    answer = sign_in("noor").get("/iam/apikeys")
    assert answer.status_code == 200  # the page of the frozen names the other account too
    assert "7654321 - Borealis Labs" in answer.content.decode()


def test_who_is_frozen_while_doing_something_is_refused(cast, freeze, origin):
    """A write asks anew in its own transaction, whatever its page knew."""
    noor, priya = cast["noor"], cast["priya"]
    freeze("priya")
    for write in (
        lambda: lifecycle.create_classic_key(holder=noor, by=noor, origin=origin),
        lambda: memberships.set_vpn_password(member=noor, password="x" * 12, by=noor, origin=origin),
        lambda: memberships.remove_member(member=noor, by=noor, origin=origin),
        lambda: memberships.restrict_platform(member=noor, addresses_text="", by=priya, origin=origin),
    ):
        with pytest.raises(NotAllowed):
            write()
    with pytest.raises(lifecycle.KeyGone):
        lifecycle.delete_classic_key(key=ClassicKey.objects.get(holder=priya), by=priya, origin=origin)


# --- Who may ----------------------------------------------------------------------------------------------------------


def test_nobody_freezes_themselves_the_owner_or_a_branch_they_are_in(cast, origin):
    Member.objects.filter(pk=cast["noor"].pk).update(permissions=int(Permission.USER_ADMINISTRATOR))
    for by, whose in (
        ("olivia", "olivia"), ("marcus", "marcus"), ("marcus", "olivia"), ("noor", "priya"), ("noor", "marcus"),
        ("noor", "noor"), ("priya", "noor"), ("marcus", "sam"),
    ):  # fmt: skip
        for write, more in ((memberships.freeze_branch, {"reason": "An audit"}), (memberships.thaw_branch, {})):
            with pytest.raises(NotAllowed):
                write(member=cast[whose], by=cast[by], origin=origin, **more)
    assert not BranchFreeze.objects.exists()
    memberships.freeze_branch(member=cast["sam"], reason="An audit", by=cast["noor"], origin=origin)
    memberships.freeze_branch(member=cast["priya"], reason="An audit", by=cast["marcus"], origin=origin)


def test_freezing_twice_and_thawing_what_is_not_frozen_change_nothing(cast, freeze, origin):
    freeze("priya")
    before = Event.objects.count()
    memberships.freeze_branch(member=cast["priya"], reason="Another", by=cast["marcus"], origin=origin)
    memberships.thaw_branch(member=cast["noor"], by=cast["marcus"], origin=origin)
    assert BranchFreeze.objects.get().reason == "An audit"
    assert Event.objects.count() == before


def test_freeze_and_thaw_are_events_and_told_to_the_user_at_the_root_alone(cast, freeze, origin, settings):
    settings.KEYTREE_SENDS_MAIL = True
    freeze("priya")
    memberships.thaw_branch(member=cast["priya"], by=cast["olivia"], origin=origin)
    frozen, thawed = Event.objects.filter(action__startswith="member.branch").order_by("number")
    assert (frozen.action, frozen.facts) == ("member.branch_frozen", {"reason": "An audit"})
    assert (thawed.action, thawed.facts) == ("member.branch_thawed", {})
    assert {frozen.subject_id, thawed.subject_id} == {cast["priya"].pk}
    assert outbox.send_due().sent == 2
    assert [message.to for message in mail.outbox] == [["priya@acme.example"]] * 2
    assert "Reason: An audit" in mail.outbox[0].body
    assert list(audit.breaks(cast["olivia"].account_id)) == []


# --- The pages --------------------------------------------------------------------------------------------------------


def test_branch_is_frozen_and_thawed_from_the_menu(cast):
    marcus, pk = visitor(cast["marcus"]), cast["priya"].pk
    assert f'href="/iam/users/{pk}/freeze" data-dialog>Freeze branch' in marcus.get("/iam/users").content.decode()
    question = marcus.get(f"/iam/users/{pk}/freeze").content.decode()
    assert "Priya Raman</bdi></b> (1 user below)?" in question
    assert "all their API keys are refused" in question
    page = marcus.post(f"/iam/users/{pk}/freeze", {"reason": ""}).content.decode()
    assert "This field is required." in page
    page = marcus.post(f"/iam/users/{pk}/freeze", {"reason": "An audit"}, follow=True).content.decode()
    assert "Branch frozen" in page
    assert re.search(r"frozen</span> Since <time.*by <bdi>Marcus Lindqvist</bdi>: <span[^>]*>An audit", page)
    assert f'href="/iam/users/{pk}/thaw" data-dialog>Thaw branch' in page
    below = marcus.get(f"/iam/users/{cast['noor'].pk}").content.decode()
    assert "With the branch of <bdi>Priya Raman</bdi>, since" in below
    for view in ("", "?view=hierarchy"):
        rows = marcus.get(f"/iam/users{view}").content.decode().split("<tr>")
        frozen = {re.search("<bdi>(.*?)</bdi>", row)[1] for row in rows if "frozen</span>" in row}
        assert frozen == {"Priya Raman", "Noor Haddad"}
    managers = marcus.get(f"/iam/users/{cast['noor'].pk}?tab=manage").content.decode()
    assert "Active, frozen" in managers
    assert "Freeze or thaw this user&#x27;s branch" in managers
    assert "Thaw</button>" in marcus.get(f"/iam/users/{pk}/thaw").content.decode()
    page = marcus.post(f"/iam/users/{pk}/thaw", follow=True).content.decode()
    assert "Branch thawed" in page
    assert "frozen</span>" not in page
    assert not BranchFreeze.objects.exists()


def test_pages_say_what_freezing_and_thawing_came_to(cast, freeze):
    """Sent twice, from an older page, or of a branch that is within another frozen one."""
    freeze("marcus"), freeze("priya")
    olivia, unchanged = visitor(cast["olivia"]), "Nothing was changed"
    for name, path, title, said in (
        ("priya", "freeze", unchanged, "The branch of Priya Raman is frozen already."),
        ("noor", "thaw", unchanged, "Noor Haddad and the users below stay frozen with the branch of Marcus Lindqvist."),
        ("priya", "thaw", "Branch thawed", "Priya Raman and the users below stay frozen with the branch of Marcus"),
        ("marcus", "thaw", "Branch thawed", "Marcus Lindqvist and the users below can work as before."),
        ("marcus", "thaw", unchanged, "The branch of Marcus Lindqvist is not frozen."),
    ):
        answer = olivia.post(f"/iam/users/{cast[name].pk}/{path}", {"reason": "Another"}, follow=True).content.decode()
        assert (title in answer, said in answer) == (True, True), (name, path)


def test_whoever_would_leave_a_frozen_branch_is_said_to_before_it_is_done(cast, freeze):
    """By another parent, or because the user at its root is removed; not who is in another frozen one then."""
    olivia, priya, noor = visitor(cast["olivia"]), cast["priya"].pk, cast["noor"].pk
    asked = {
        "moved": f"/iam/users/{noor}/parent?parent={cast['marcus'].pk}",
        "moved with their own": f"/iam/users/{priya}/parent?parent={cast['olivia'].pk}",
        "removed": f"/iam/users/{priya}/remove",
        "removed with nobody below": f"/iam/users/{noor}/remove",
    }

    def told() -> set[str]:
        words = ("They leave a frozen branch", "is frozen, and no longer is when they are removed")
        pages = {way: olivia.get(url).content.decode() for way, url in asked.items()}
        return {way for way, page in pages.items() if any(said in page for said in words)}

    assert told() == set()
    freeze("priya")
    assert told() == {"moved", "removed"}
    for name in ("marcus", "noor"):
        freeze(name)
        assert told() == {"removed"}


def test_question_about_a_status_promises_nothing_that_a_frozen_branch_prevents(cast, freeze):
    Member.objects.filter(pk=cast["noor"].pk).update(status="suspended")
    freeze("priya")
    question = visitor(cast["olivia"]).get(f"/iam/users/{cast['noor'].pk}/status").content.decode()
    assert "They can work in this account once their branch of users is thawed." in question
    assert "are accepted again once their branch of users is thawed." in question


def test_freezing_and_thawing_take_a_fresh_proof_of_identity(cast):
    marcus, url = visitor(cast["marcus"]), f"/iam/users/{cast['priya'].pk}"
    for path, fields, is_frozen in (("freeze", {"reason": "An audit"}, True), ("thaw", {}, False)):
        _forget_proof(marcus)
        page = marcus.post(f"{url}/{path}", fields).content.decode()
        assert "Confirm that it is you" in page
        assert all(f'type="hidden" name="{name}" value="{text}"' in page for name, text in fields.items())
        refused = marcus.post(f"{url}/{path}", {**fields, "password": "not the password"})
        assert (refused.status_code, BranchFreeze.objects.exists()) == (200, not is_frozen)
        assert marcus.post(f"{url}/{path}", {**fields, "password": demo.PASSWORD}).status_code == 302
        assert BranchFreeze.objects.exists() is is_frozen


def _forget_proof(client: Client) -> None:
    session = client.session
    session["proved_at"] = 0
    session.save()


def test_menu_offers_freezing_where_there_are_users_below(cast):
    page = visitor(cast["olivia"]).get("/iam/users").content.decode()
    offered = {int(pk) for pk in re.findall(r"/iam/users/(\d+)/freeze", page)}
    assert offered == {cast[name].pk for name in ("marcus", "priya", "sam")}


def test_refused_freeze_is_an_event(cast):
    priya = visitor(cast["priya"])
    with noting_writes() as written:
        answer = priya.post(f"/iam/users/{cast['noor'].pk}/freeze", {"reason": "An audit"})
    assert answer.status_code == 403
    assert written == {"accounts_event", "accounts_auditchain"}


@pytest.mark.parametrize("path", ["/iam/users", "/iam/users?view=hierarchy"])
def test_pages_ask_no_more_often_with_frozen_branches(cast, path):
    client, counts = visitor(cast["olivia"]), []
    for name in ("", "priya", "marcus"):
        if name:
            BranchFreeze.objects.create(
                account=cast[name].account, member=cast[name], reason="r", at="2026-01-01T00:00Z"
            )
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        counts.append(len(captured))
    assert len(set(counts)) == 1


def test_statuses_stay_what_they_were(cast, freeze, origin):
    before = dict(Member.objects.values_list("pk", "status"))
    freeze("sam")
    memberships.change_status(member=cast["dmitri"], status=MemberStatus.ACTIVE, by=cast["olivia"], origin=origin)
    memberships.thaw_branch(member=cast["sam"], by=cast["olivia"], origin=origin)
    assert dict(Member.objects.values_list("pk", "status")) == before | {cast["dmitri"].pk: "active"}


def test_more_branches_than_there_may_be_are_frozen_by_the_owner_alone(cast, monkeypatch):
    """Every call looks at each: somebody with thousands of users below could make all of them slow."""
    monkeypatch.setattr(memberships, "MOST_FROZEN", 1)
    marcus, olivia = visitor(cast["marcus"]), visitor(cast["olivia"])
    said = []
    for client, name in ((marcus, "priya"), (marcus, "lena"), (marcus, "priya"), (olivia, "sam")):
        said.append(client.post(f"/iam/users/{cast[name].pk}/freeze", {"reason": "An audit"}))
    assert [answer.status_code for answer in said] == [302, 403, 302, 302]
    assert "1 branches of the account are frozen: thaw one first, or ask the owner." in said[1].content.decode()
    assert set(BranchFreeze.objects.values_list("member_id", flat=True)) == {cast["priya"].pk, cast["sam"].pk}
    assert Event.objects.filter(action="permission.refused", subject_id=cast["lena"].pk).exists()
    marcus.post(f"/iam/users/{cast['priya'].pk}/thaw")
    olivia.post(f"/iam/users/{cast['sam'].pk}/thaw")
    assert marcus.post(f"/iam/users/{cast['lena'].pk}/freeze", {"reason": "An audit"}).status_code == 302
