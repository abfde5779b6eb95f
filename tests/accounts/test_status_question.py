"""A status that takes something away is asked about first: what it does at once, as far as the viewer may know."""

import re

import pytest

from accounts import memberships
from accounts.enums import Permission
from accounts.models import Member
from keys.models import ClassicKey
from tests.trees import make_key
from tests.visitors import noting_writes, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def points(body: str) -> list[str]:
    """What the question says."""
    return re.findall(r"<li>(.*?)</li>", body.partition('class="points"')[2].partition("</ul>")[0])


@pytest.mark.parametrize(
    ("before", "after", "title"),
    [
        ("active", "suspended", "Suspend user"),
        ("active", "disabled_classic", "Change user status"),
        ("active", "vpn_only", "Change user status"),
        ("disabled_classic", "vpn_only", "Change user status"),
        ("vpn_only", "suspended", "Suspend user"),
        ("vpn_only", "active", "Change user status"),
        ("suspended", "active", "Activate user"),
        ("disabled_classic", "active", ""),
        ("suspended", "vpn_only", ""),
    ],
)
def test_card_asks_before_something_is_taken_away(cast, before, after, title):
    marcus, priya = visitor(cast["marcus"]), cast["priya"]
    Member.objects.filter(pk=priya.pk).update(status=before)
    address = f"/iam/users/{priya.pk}/status"
    (field,) = re.findall(r'<input type="hidden" name="asks" value="(\w+)"', marcus.get(address[:-7]).content.decode())
    if not title:
        assert marcus.post(address, {"status": after, "asks": field}).status_code == 302
        assert Member.objects.get(pk=priya.pk).status == after
        return
    with noting_writes() as written:
        asked = marcus.post(address, {"status": after, "asks": field})
    body = asked.content.decode()
    assert (asked.status_code, written) == (200, set())
    assert f">{title}</h1>" in body
    form = body.partition('id="dialog-form"')[2].partition("</form>")[0]
    assert re.findall(r'name="(status|asks)" value="(\w+)"', form) == [("status", after)]
    assert marcus.post(address, {"status": after}).status_code == 302
    assert Member.objects.get(pk=priya.pk).status == after


def test_question_tells_in_numbers_what_ends(cast):
    marcus, priya, noor = visitor(cast["marcus"]), cast["priya"], cast["noor"]

    def said(member: Member, status: str) -> list[str]:
        sent = {"status": status, "asks": "True"}
        return points(marcus.post(f"/iam/users/{member.pk}/status", sent).content.decode())

    kept = "Permissions are kept, and the users below stay as they are."
    assert said(noor, "vpn_only") == [
        "They can no longer log in to this account. They have no open login session in it.", kept,
    ]  # fmt: skip
    others = "Calls with their IBM Cloud API keys, if they have any, are refused at once."
    assert said(noor, "disabled_classic") == [f"They have no classic infrastructure API key. {others}", kept]
    for _ in range(2):
        assert visitor(priya).get("/iam/users").status_code == 200
    sessions = "They have 2 open login sessions in it, in which nothing can be done from the next request on."
    key = "Calls with their classic infrastructure API key, which was never used, are refused at once. The key is kept."
    key = f"{key} {others}"
    assert said(priya, "suspended") == [
        f"They cannot do anything in this account until they are activated. {sessions}", key, kept,
    ]  # fmt: skip
    assert said(priya, "disabled_classic") == [key, kept]
    ClassicKey.objects.filter(holder=priya).delete()
    make_key(priya, creator=cast["marcus"])
    Member.objects.filter(pk=priya.pk).update(status="vpn_only")
    assert said(priya, "active") == [
        "They can work in this account.",
        "Their classic infrastructure API key, which was never used, was created by someone else, and is deleted.",
        kept,
    ]


def test_answer_to_a_question_about_another_status_is_asked_anew(cast):
    """Else a key could be deleted of which the question did not speak."""
    marcus, noor = visitor(cast["marcus"]), cast["noor"]
    Member.objects.filter(pk=noor.pk).update(status="suspended")
    address, hidden = f"/iam/users/{noor.pk}/status", r'<input type="hidden" name="(status|before)" value="(\w+)">'
    older = dict(re.findall(hidden, marcus.get(address).content.decode()))
    assert older == {"status": "active", "before": "suspended"}
    Member.objects.filter(pk=noor.pk).update(status="vpn_only")
    make_key(noor, creator=cast["marcus"])
    asked = marcus.post(address, older).content.decode()
    assert "from VPN-only to <b>Active</b>" in asked
    assert "and is deleted." in asked
    assert ClassicKey.objects.filter(holder=noor).exists()
    assert marcus.post(address, dict(re.findall(hidden, asked))).status_code == 302
    assert not ClassicKey.objects.filter(holder=noor).exists()


def test_status_that_changes_before_it_is_written_is_asked_about_anew(cast, monkeypatch):
    """The write finds it, under the lock of the row."""
    marcus, noor, change = visitor(cast["marcus"]), cast["noor"], memberships.change_status
    Member.objects.filter(pk=noor.pk).update(status="suspended")

    def change_late(**about):
        Member.objects.filter(pk=noor.pk).update(status="vpn_only")
        return change(**about)

    monkeypatch.setattr(memberships, "change_status", change_late)
    asked = marcus.post(f"/iam/users/{noor.pk}/status", {"status": "active", "before": "suspended"})
    assert (asked.status_code, "from VPN-only to <b>Active</b>" in asked.content.decode()) == (200, True)
    assert Member.objects.get(pk=noor.pk).status == "vpn_only"


@pytest.mark.parametrize("has_key", [True, False])
def test_question_tells_nothing_of_a_key_that_its_reader_may_not_know_of(cast, has_key):
    """A manager of users who is not above."""
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_EDITOR)
    if not has_key:
        ClassicKey.objects.filter(holder=cast["priya"]).delete()
    sam, address = visitor(cast["sam"]), f"/iam/users/{cast['priya'].pk}/status"
    body = sam.post(address, {"status": "disabled_classic", "asks": "True"}).content.decode()
    assert points(body)[0] == (
        "Calls with their classic infrastructure API key, if they have one, are refused at once. Calls with their IBM "
        "Cloud API keys, if they have any, are refused at once."
    )


def test_whoever_has_no_second_factor_is_told_so_before_they_require_one(cast):
    olivia, address = visitor(cast["olivia"]), "/iam/settings/second_factor"
    asked = olivia.post(address, {"is_on": "true"}).content.decode()
    assert "You do not have one yourself: set one up first." in asked
    assert 'href="/user/security">Set one up</a>' in asked
    assert ">Yes</button>" not in asked
    off = olivia.post(address, {"is_on": "false"}).content.decode()
    assert ">Yes</button>" in off
    assert "You do not have one yourself" not in off
