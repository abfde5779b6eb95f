"""The bar over every page is kept from page to page: each shows its own viewer, as they are now."""

import re
from dataclasses import replace

import pytest
from django.urls import set_script_prefix

from accounts.models import Account, User
from console.header import Header, html
from tests.visitors import visitor

OLIVIA = Header(
    product="Keytree",
    theme="light",
    works=True,
    account="1234567 - Acme Robotics",
    other_accounts=(),
    name="Olivia Reyes",
    email="olivia@acme.example",
    has_notifications=False,
    profile_url="/iam/users/1",
    is_behind=False,
)


@pytest.mark.parametrize(("change", "shown"), [
    ({"product": "Another"}, "Another <b>Console</b>"),
    ({"theme": "dark"}, 'value="dark" data-focus="theme" aria-current="true"'),
    ({"works": False}, 'aria-label="Theme"'),
    ({"account": "7654321 - Borealis"}, "7654321 - Borealis"),
    ({"other_accounts": ((7654321, "Borealis", False),)}, 'name="account" value="7654321">Borealis</button>'),
    ({"other_accounts": ((7654321, "Borealis", True),)}, '"news-7654321">Borealis <span class="tag tag--blue"'),
    ({"name": "<b>Olivia</b>"}, "&lt;b&gt;Olivia&lt;/b&gt;"),
    ({"email": "olivia@new.example"}, "olivia@new.example"),
    ({"has_notifications": True}, 'aria-label="Notifications, new ones"'),
    ({"profile_url": "/iam/users/2"}, 'href="/iam/users/2"'),
    ({"is_behind": True}, '<header class="header" inert>'),
])  # fmt: skip
def test_bar_that_is_kept_is_not_shown_where_anything_differs(change, shown):
    kept, other = html(OLIVIA), html(replace(OLIVIA, **change))
    assert shown in other
    assert other != kept == html(OLIVIA)


def test_addresses_in_the_bar_follow_the_path_that_the_program_is_under():
    try:
        set_script_prefix("/keys/")
        assert 'formaction="/keys/logout"' in html(OLIVIA)
    finally:
        set_script_prefix("/")
    assert 'formaction="/logout"' in html(OLIVIA)


@pytest.mark.django_db
def test_page_shows_its_viewer_as_they_are_now_and_one_form_for_the_bar(cast):
    def shown(name: str, path: str = "/iam/apikeys") -> tuple[str, str]:
        body = visitor(cast[name]).get(path).content.decode()
        bar = body[body.index("<header") : body.index("</header>")]
        assert set(re.findall(r'form="([^"]+)"', bar)) == {"header-form"}
        assert body.count('<form id="header-form"') == 1
        assert "csrfmiddlewaretoken" not in bar
        return re.search(r"<b>([^<]+)</b><br>([^<]+)</p>", bar).groups()

    assert shown("noor") == shown("noor", "/iam/users/999999999") == ("Noor Haddad", "noor@acme.example")
    assert shown("priya") == ("Priya Raman", "priya@acme.example")
    User.objects.filter(email="noor@acme.example").update(name="Noor Haddad-Lind")
    assert shown("noor") == ("Noor Haddad-Lind", "noor@acme.example")
    Account.objects.filter(pk=1234567).update(name="Acme & Sons")
    body = visitor(cast["noor"]).get("/iam/apikeys").content.decode()
    assert "<span>1234567 - Acme &amp; Sons</span>" in body
