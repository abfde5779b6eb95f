"""The dialogs about a key: what they say, and where they lead back to."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.enums import CALLING_STATUSES, MemberStatus, Permission
from accounts.memberships import freeze_branch
from accounts.models import Account, Event, Member
from accounts.origin import COMMAND_LINE
from accounts.sessions import SessionStore
from console import demo
from keys.models import ClassicKey, KeptRestriction
from tests.pages.reading import KEYS, USERS, focused, key_of, key_url, page
from tests.visitors import session_of, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]


def test_shown_value_stands_among_the_facts_of_the_key(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["marcus"])
    details, shown = page(client.get(url)), page(client.post(f"{url}/show"))
    for fact in ("Owner", "Date created", "Created by", "Last used", "IP address restrictions"):
        assert f"<dt>{fact}</dt>" in details
        assert f"<dt>{fact}</dt>" in shown
    assert f'href="{url}/delete"' in shown
    assert not re.search(r"\b[0-9a-f]{64}\b", details)
    assert re.search(r"\b[0-9a-f]{64}\b", shown)


def age_proof(client) -> None:
    session = SessionStore(session_of(client).session_key)
    session["proved_at"] = (timezone.now() - timedelta(hours=1)).timestamp()
    session.save()


def test_download_after_the_proof_leads_back_to_the_details(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["marcus"])
    age_proof(client)
    asked = page(client.post(f"{url}/download"))
    assert "Confirm that it is you" in asked
    assert "more than five minutes have passed since you logged in or last confirmed that it is you." in asked
    assert '<p class="page-title">API keys</p>' in asked
    body = page(client.post(f"{url}/download", {"password": demo.PASSWORD}, follow=True))
    assert "Download the key now." in body
    assert "<dt>Owner</dt>" in body
    assert [f'action="{url}/download"' in body.partition(tag)[0].rpartition("<form")[2] for tag in focused(body)] == [
        True
    ]
    file = client.post(f"{url}/download")
    assert file["Content-Disposition"] == 'attachment; filename="apikey.json"'


@pytest.mark.parametrize("status", MemberStatus)
def test_details_say_whether_calls_are_refused_for_the_users_status(cast, status):
    Member.objects.filter(pk=cast["priya"].pk).update(status=status)
    body = page(visitor(cast["marcus"]).get(key_url(cast["priya"])))
    assert ("Calls with this key are refused now" in body) is (status not in CALLING_STATUSES)
    assert (f"The status of its user is {status.label}." in body) is (status not in CALLING_STATUSES)


@pytest.mark.parametrize(("frozen", "is_told"), [("priya", True), ("marcus", True), ("sam", False)])
def test_details_say_whether_calls_are_refused_for_a_frozen_branch(cast, frozen, is_told):
    """Her own branch, or one that she is in; Sam's is another."""
    freeze_branch(member=cast[frozen], reason="An audit", by=cast["olivia"], origin=COMMAND_LINE)
    body = page(visitor(cast["olivia"]).get(key_url(cast["priya"])))
    assert ("Calls with this key are refused now" in body) is is_told
    assert (">Its user is in a branch of users that is frozen.<" in body) is is_told
    # Nor can she create another, as long as that lasts.
    question = page(visitor(cast["olivia"]).get(f"{key_url(cast['priya'])}/delete"))
    assert ("may create another." in question) is not is_told


def test_details_say_each_reason_for_which_calls_are_refused(cast):
    freeze_branch(member=cast["sam"], reason="An audit", by=cast["olivia"], origin=COMMAND_LINE)
    body = page(visitor(cast["olivia"]).get(key_url(cast["dmitri"])))
    assert "The status of its user is Suspended. Its user is in a branch of users that is frozen." in body


@pytest.mark.parametrize(
    ("viewer", "holder", "sentence"),
    [
        ("marcus", "marcus", "You may create another."),
        ("marcus", "priya", "<bdi>Priya Raman</bdi> may create another."),
        ("marcus", "berlin", "You may create another for them."),  # VPN-only, below somebody with Manage users
        ("sam", "dmitri", ""),  # suspended
    ],
)
def test_deletion_promises_another_key_only_where_there_can_be_one(cast, viewer, holder, sentence):
    body = page(visitor(cast[viewer]).get(f"{key_url(cast[holder])}/delete"))
    assert re.findall(r"cannot be undone\. ?(.*?)</p>", body) == [sentence]


@pytest.mark.parametrize(
    ("used", "address", "said"),
    [
        (timedelta(minutes=5), "17.5.7.8", "<b>5 minutes ago</b>, from 17.5.7.8"),
        (timedelta(hours=23), "", "<b>23 hours ago</b>, from an unknown address"),
        (timedelta(hours=25), "2001:db8::1", "1 day ago, from 2001:db8::1"),
        (None, "", "Never"),
    ],
)
def test_deletion_says_whether_the_key_is_in_use(cast, used, address, said):
    at = used and timezone.now() - used
    ClassicKey.objects.filter(holder=cast["priya"]).update(last_used_at=at, last_used_from=address)
    body = page(visitor(cast["marcus"]).get(f"{key_url(cast['priya'])}/delete"))
    assert re.sub("<wbr>|</?time[^>]*>", "", re.search("<dt>Last used</dt><dd>(.*?)</dd>", body)[1]) == said


def test_dialogs_with_a_key_end_in_a_button_that_leads_back_too(cast):
    noor, marcus = visitor(cast["noor"]), visitor(cast["marcus"])
    own_page = f"{USERS}/{cast['priya'].pk}"
    created = page(noor.post(f"{USERS}/{cast['noor'].pk}/classic_key"))
    details = page(marcus.get(f"{key_url(cast['priya'])}?next={own_page}"))
    for body, back in ((created, KEYS), (details, own_page)):
        foot = body.partition('class="dialog__footer"')[2]
        assert re.search(r'<a class="button[^"]*" href="([^"]*)" data-dialog-close>Done</a>', foot)[1] == back


def test_key_that_is_not_there_and_one_that_may_not_be_seen_are_told_in_the_same_words(cast):
    noor, hidden = visitor(cast["noor"]), key_url(cast["priya"])
    for action in ("", "/show", "/download", "/restriction", "/delete"):
        told, unknown = (
            page(ask(f"{url}{action}")).partition("<main")[2].partition("</main>")[0]
            for url in (hidden, f"{KEYS}/classic/987654")
            for ask in [noor.post if action else noor.get]
        )
        assert "This key was deleted, or you are not allowed to see it." in told
        assert told == unknown
    assert "This key was deleted" not in page(noor.get(f"{USERS}/987654"))


def test_dialogs_lead_back_to_the_page_that_they_were_opened_from(cast):
    client, own_page = visitor(cast["marcus"]), f"{USERS}/{cast['priya'].pk}"
    way = f"?next=%2Fiam%2Fusers%2F{cast['priya'].pk}"
    url = key_url(cast["priya"])
    assert f'href="{url}{way}"' in page(client.get(own_page))
    details = page(client.get(url + way))
    assert f'href="{own_page}" aria-label="Close"' in details
    assert "Manage Priya Raman" in details
    assert f'href="{url}/restriction{way}"' in details
    assert f'action="{url}/restriction{way}"' in page(client.get(f"{url}/restriction{way}"))
    assert client.post(f"{url}/restriction{way}", {"classic": "10.0.0.0/8"})["Location"] == own_page
    assert client.post(f"{url}/delete{way}")["Location"] == KEYS


def test_dialogs_lead_back_to_the_filtered_list(cast):
    client, url = visitor(cast["marcus"]), key_url(cast["priya"])
    way = "?next=%2Fiam%2Fapikeys%3Fq%3Draman"
    assert f'href="{url}{way}"' in page(client.get(f"{KEYS}?q=raman"))
    assert f'href="{url}"' in page(client.get(KEYS))
    for action, typed in (("restriction", {"classic": ""}), ("delete", {})):
        assert client.post(f"{url}/{action}{way}", typed)["Location"] == f"{KEYS}?q=raman"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/iam/apikeys/../logout",
        "/iam/users/1?tab=access",
        "\\\\x",
        "/iam/users",
    ],
)
def test_dialogs_lead_nowhere_else(cast, elsewhere):
    client, url = visitor(cast["marcus"]), key_url(cast["priya"])
    assert f'href="{KEYS}" aria-label="Close"' in page(client.get(url, {"next": elsewhere}))
    answer = client.post(f"{url}/restriction", {"classic": "10.0.0.0/8"}, query_params={"next": elsewhere})
    assert answer["Location"] == KEYS


def test_restriction_that_outlives_its_key_stands_on_the_page_of_its_user(cast):
    """It counts for their IBM Cloud API keys: whoever wonders why a call was refused must find it."""
    priya, marcus = visitor(cast["priya"]), visitor(cast["marcus"])
    Member.objects.filter(pk=cast["sam"].pk).update(permissions=Permission.USER_EDITOR)
    ClassicKey.objects.filter(holder=cast["priya"]).update(allowed_addresses="192.0.2.7")
    priya.post(f"{key_url(cast['priya'])}/delete")
    said = "That of the deleted key. It applies to IBM Cloud API keys, and to the next key."
    for client, sees in ((priya, True), (marcus, True), (visitor(cast["sam"]), False)):
        body = page(client.get(f"/iam/users/{cast['priya'].pk}"))
        assert ("192.0.2.7" in body, said in body) == (sees, sees)
    body = page(visitor(cast["noor"]).get(f"/iam/users/{cast['noor'].pk}"))
    assert "There is no classic infrastructure key to restrict" in body
    assert "While user-managed login is on, you set your own IP address restrictions." in body
    # Who owns the account needs no leave to.
    body = page(visitor(cast["olivia"]).get(f"/iam/users/{cast['olivia'].pk}"))
    assert "sets their own IP address restrictions, whether user-managed login is on or not." in body


def test_new_key_says_from_where_alone_it_works(cast):
    """Where it is restricted from its beginning, its first call may be refused already."""
    noor, client = cast["noor"], visitor(cast["noor"])
    classic, platform = f"/iam/users/{noor.pk}/classic_key", f"/iam/users/{noor.pk}/platform_key"
    own, account = "Calls with it are accepted only from 192.0.2.7.", "The account restricts IP addresses too"
    everywhere = "None: every address is allowed"

    def said(url: str, name: str = "") -> tuple[bool, bool]:
        typed = {"name": name, "leaked_action": "nothing"} if name else {}
        body = page(client.post(url, typed))
        assert "API key successfully created" in body
        before, _, after = body.partition("data-value")
        assert own not in before  # a long restriction would push the value, and its buttons, out of sight
        return own in after, account in after

    assert said(platform, "a") == (False, False)
    KeptRestriction.objects.create(holder=noor, allowed_addresses="192.0.2.7")
    assert said(platform, "b") == (True, False)
    assert said(classic) == (True, False)
    assert said(platform, "c") == (True, False)
    assert account not in page(client.get(key_url(noor)))
    assert everywhere in page(client.get(f"/iam/users/{noor.pk}"))
    Account.objects.filter(pk=noor.account_id).update(allowed_addresses="127.0.0.0/8")
    assert said(platform, "d") == (True, True)
    assert account in page(client.get(key_url(noor)))
    for viewer in (client, visitor(cast["marcus"])):
        body = page(viewer.get(f"/iam/users/{noor.pk}"))
        assert (account in body, everywhere in body) == (True, False)


def test_event_of_a_new_key_quotes_a_long_restriction_in_part(cast):
    text = ", ".join(f"192.0.2.{number}" for number in range(100))
    KeptRestriction.objects.create(holder=cast["noor"], allowed_addresses=text)
    visitor(cast["noor"]).post(f"/iam/users/{cast['noor'].pk}/classic_key")
    assert key_of(cast["noor"]).allowed_addresses == text
    event = Event.objects.filter(action="classic_key.created").latest("number")
    assert event.facts == {"restriction": f"{text[:200]} …"}
