"""Forms that were opened in one account and are sent when another is the present one: nothing is changed anywhere."""

import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Member
from accounts.new_members import create_account
from accounts.origin import COMMAND_LINE
from keys.models import ClassicKey
from tests.conftest import ACME, BOREALIS
from tests.surfaces import SURFACES
from tests.trees import make_platform_key
from tests.visitors import body_of, noting_writes, routes, undone, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]

USERS, SETTINGS, KEYS = "/iam/users", "/iam/settings", "/iam/apikeys"
FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
SECOND = 3333333


def forms(page: str) -> list[tuple[str, str]]:
    """The forms of a page that are posted: their attributes and what is inside."""
    return [(tag, inside) for tag, inside in FORM.findall(page) if re.search(r'method="post"', tag, re.IGNORECASE)]


def accounts_of(form: str) -> list[str]:
    return re.findall(r'<input type="hidden" name="page_account" value="(\d+)">', form)


def hidden(page: str, address: str) -> dict[str, str]:
    """The hidden fields of the form in a page's main part that is sent to ``address``, or that names no address."""
    main = page.partition("<main")[2]
    is_sent_there = re.compile(rf'action="{re.escape(address)}["?]|^(?!.*action=)').search
    found = [inside for tag, inside in forms(main) if is_sent_there(tag)]
    assert len(found) == 1
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0]))


@pytest.fixture
def second(cast) -> Account:
    """Another account whose owner is Acme's, who may do everything in both."""
    create_account(name="Reyes Family", owner=cast["olivia"].user, account_id=SECOND, is_demo=True, origin=COMMAND_LINE)
    return Account.objects.get(pk=SECOND)


def switch(client: Client, account_id: int, token: str = "") -> None:
    """Choose another account in another tab."""
    assert client.post("/account/switch", {"account": account_id, "csrfmiddlewaretoken": token}).status_code == 302


def said(client: Client, answer) -> str:
    """What is read after a form was refused, on the page that the browser is sent to."""
    assert (answer.status_code, answer["Location"]) == (302, "/")
    answer = client.get("/", follow=True)
    assert answer.status_code == 200
    return unescape(answer.content.decode().partition("<main")[2])


class Sent(NamedTuple):
    """A form: where it is sent, what is typed, what it changes, and the page it is on where that is another."""

    address: str
    typed: dict[str, str]
    table: str
    page: str = ""


SENT = [
    Sent(f"{USERS}/invite_users", {"addresses": "new@acme.example"}, "accounts_member"),
    Sent(f"{USERS}/add_vpn_user", {"name": "New", "email": "new@acme.example"}, "accounts_member"),
    Sent(f"{SETTINGS}/user_list", {"is_on": "true", "is_confirmed": "on"}, "accounts_account", SETTINGS),
    Sent(f"{SETTINGS}/addresses", {"addresses": "127.0.0.0/8"}, "accounts_account"),
    Sent(f"{SETTINGS}/domains", {"is_on": "true", "domains": "*.example"}, "accounts_account", SETTINGS),
    Sent(f"{SETTINGS}/login_session", {"concurrent": "limited", "most": "3"}, "accounts_account"),
    Sent(f"{USERS}/import", {}, "accounts_importjob"),
    Sent(f"{USERS}/{{member}}/remove", {}, "accounts_member"),
]


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.address)
def test_form_of_another_account_changes_nothing(sent, cast, second):
    """Two tabs: the account is switched in one, and what was open in the other is sent, and sent again after that."""
    client = visitor(cast["olivia"], csrf_checks=True)
    address, page = (path.format(member=cast["noor"].pk) for path in (sent.address, sent.page or sent.address))
    fields = hidden(client.get(page).content.decode(), address)
    token = fields["csrfmiddlewaretoken"]
    assert fields["page_account"] == str(ACME)

    def send():
        file = {"file": SimpleUploadedFile("new.csv", b"email\nnew@acme.example")} if address.endswith("import") else {}
        with noting_writes() as written:
            return client.post(address, fields | sent.typed | file), written

    switch(client, SECOND, token)
    answer, written = send()
    assert written == {"accounts_session"}  # what is to be said
    text = said(client, answer)
    assert "Nothing was changed" in text
    assert f"You are now in {second}, but this form was opened in {cast['olivia'].account}. Switch back to" in text
    switch(client, ACME, token)
    answer, written = send()
    assert sent.table in written
    assert answer.get("Location") != "/"


def test_other_account_is_not_named_to_who_left_it(cast):
    """Whatever the field says: it can be anything."""
    client = visitor(cast["noor"])
    for made_up in (str(SECOND), "", "x", f" {ACME}", f"{ACME}.0", "\u0661", "1" * 5_000, "<b>"):
        answer = client.post(f"{USERS}/{cast['noor'].pk}/classic_key", {"page_account": made_up})
        assert "this form was opened in another account. If you want it here" in said(client, answer), made_up
    assert not ClassicKey.objects.filter(holder=cast["noor"]).exists()
    switch(client, BOREALIS)
    Member.objects.filter(pk=cast["noor"].pk).update(status="invalid")
    answer = client.post("/user/sessions/end_all", {"page_account": ACME})
    assert "this form was opened in another account." in said(client, answer)
    assert "Acme" not in said(client, client.post("/user/sessions/end_all", {"page_account": ACME}))


def test_a_form_that_names_no_account_is_of_the_present_one(cast):
    """Programs that send forms need not know of the field."""
    answer = visitor(cast["noor"]).post(f"{USERS}/{cast['noor'].pk}/classic_key")
    assert answer.status_code == 200
    assert ClassicKey.objects.filter(holder=cast["noor"]).exists()


@pytest.mark.parametrize("opened_in", [ACME, BOREALIS])
def test_header_works_whatever_account_its_page_was_of(opened_in, cast):
    """Log out, the theme and the choice of account mean the same in every account."""
    client = visitor(cast["noor"])
    said_by_page = {"page_account": opened_in}
    for chosen in (BOREALIS, BOREALIS, ACME, BOREALIS):
        assert client.post("/account/switch", {"account": chosen, **said_by_page})["Location"] == "/"
        assert f"{chosen} - " in client.get(KEYS).content.decode().partition("<main")[0]
    answer = client.post("/theme", {"theme": "dark", "next": USERS, **said_by_page})
    assert (answer["Location"], answer.cookies["keytree_theme"].value) == (USERS, "dark")
    assert client.post("/logout", said_by_page)["Location"] == "/login"
    assert client.get(KEYS).status_code == 302


def test_who_may_not_use_the_console_is_told_that_first(cast):
    """It is what keeps them from the account, also after they switched back."""
    client = visitor(cast["dmitri"])
    answer = client.post(f"{USERS}/invite_users", {"page_account": SECOND})
    assert answer.status_code == 403
    assert "You are suspended" in answer.content.decode()


# --- Every form says it -----------------------------------------------------------------------------------------------


def test_every_form_of_a_signed_in_page_names_its_account(cast):
    """All addresses, opened and sent to with what the matrix sends, by who may, who may not and who is suspended."""
    seen: Counter[str] = Counter()
    numbers = {
        "key_id": ClassicKey.objects.get(holder=cast["priya"]).pk, "token": "x",
        "platform_id": make_platform_key(cast["noor"]).pk,
        "uid": "00000000-0000-4000-8000-000000000000", "passkey": "00000000-0000-4000-8000-000000000000",
    }  # fmt: skip
    patterns = routes()
    viewers = {"priya": "olivia", "berlin": "olivia", "lena": "olivia", "noor": "noor", "dmitri": "dmitri"}
    for target, name in viewers.items():
        client, numbers["member_id"] = visitor(cast[name]), cast[target].pk
        for surface in SURFACES:
            values = {part: numbers[part] for part in patterns[surface.route].pattern.converters}
            address = reverse(surface.route, kwargs=values) + surface.query
            with undone():
                cookies = client.cookies.copy()
                answer = client.post(address, surface.data) if surface.method == "POST" else client.get(address)
                client.cookies = cookies
            page = body_of(answer).decode()
            if 'aria-label="Profile"' not in page:
                continue
            for tag, inside in forms(page):
                assert set(accounts_of(inside)) == {str(ACME)}, f"{surface} for {name}: {tag}"
                seen[tag] += 1
    assert len(seen) > 40


def test_signed_out_pages_name_none():
    for address in ("/login", "/reset", "/reset/x", "/invitations/x", "/nowhere"):
        page = Client().get(address).content.decode()
        assert forms(page)
        assert "page_account" not in page


def test_every_template_lets_the_tag_write_what_its_forms_carry():
    """Also those of states that no test above reaches."""
    tagged = 0
    for path in sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html")):
        text = path.read_text()
        assert "csrfmiddlewaretoken" not in text, path.name
        for tag, inside in forms(text):
            assert "{% csrf_token %}" in inside, f"{path.name}: {tag}"
            tagged += 1
    assert tagged > 20
