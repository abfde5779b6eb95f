"""The style guide: every component in every state on one page, in development only."""

from datetime import UTC, datetime

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Submit
from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.actions_menu import MenuItem
from accounts.list_request import SortHeading
from accounts.models import Account, Member, User
from console.context_processors import Shell
from console.nav import Group, Link

_MOMENT = datetime(2025, 3, 14, 4, 54, tzinfo=UTC)
_MENU = (
    MenuItem("View details", "?dialog=details", is_dialog=True),
    MenuItem("Delete", "?dialog=delete", is_dialog=True, is_danger=True),
)


class SampleForm(forms.Form):
    """Every kind of field."""

    name = forms.CharField(help_text="Shown in lists. You can change it later.")
    description = forms.CharField(required=False)
    addresses = forms.CharField(
        label="Cloud platform",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Single addresses, ranges (first - last) or subnets (CIDR), separated by commas. IPv4 or IPv6.",
    )
    classic = forms.CharField(
        label="Classic infrastructure",
        required=False,
        disabled=True,
        help_text="There is no classic infrastructure key to restrict.",
    )
    status = forms.ChoiceField(choices=[("active", "Active"), ("suspended", "Suspended"), ("vpn_only", "VPN-only")])
    leaked = forms.ChoiceField(
        label="Leaked action",
        choices=[("disable", "Disable the leaked key"), ("delete", "Delete the leaked key"), ("nothing", "Nothing")],
        widget=forms.RadioSelect,
        help_text="What to do when the key is found in public.",
    )
    password = forms.CharField(widget=forms.PasswordInput)
    confirm = forms.BooleanField(label="Delete these 6 keys")

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.helper = FormHelper()
        self.helper.add_input(Submit("", "Save"))


class SampleShell(Shell):
    """The frame of a page, for a viewer who is not in the database."""

    profile_url = "#"
    member = Member(
        pk=1,
        user=User(name="Olivia Reyes", email="olivia@acme.example"),
        account=Account(pk=1234567, name="Acme Robotics"),
    )
    session_asks_in = 86_400  # there is no session whose end the page could ask for: it would lead to the login page
    other_accounts = ((7654321, "7654321 - Borealis Labs", True),)
    is_demo = True

    def nav_at(self, path: str) -> tuple[Group, ...]:
        """Return some groups, whatever the path."""
        return (
            Group(
                "identities",
                "Manage identities",
                (Link("Users", "#", is_current=False), Link("API keys", "#", is_current=True)),
                is_folded=False,
            ),
            Group("insight", "Gain insight", (Link("Activity", "#", is_current=False),), is_folded=False),
        )


@login_not_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Render the page; with ``?dialog=details``, ``delete`` or ``created``, a dialog on it."""
    context = {
        "shell": SampleShell(request),
        "title": "Style guide",
        "dialog_back": request.path,
        "behind_title": "Style guide",
        "moment": _MOMENT,
        "views": (("classic", "Classic infrastructure API keys"), ("my", "My IBM Cloud API keys")),
        "menu_items": _MENU,
        "headings": (
            SortHeading("sort-name", "Created by", "?sort=-name", "ascending"),
            SortHeading("sort-created", "Date created", "?sort=-created", ""),
        ),
        "rows": _rows(),
        "footer": _footer(),
        "form": SampleForm(),
        "wrong_form": _wrong_form(),
        "secret": "9f2c1d7ab0e34c56a8d1f7c2b3e4d5f60718293a4b5c6d7e8f90a1b2c3d4e5f6",
    }
    titles = {"details": "API key details", "delete": "Delete API key", "created": "API key successfully created"}
    dialog = request.GET.get("dialog", "")
    if dialog in titles:
        context |= {"title": titles[dialog], "dialog": dialog}
        return render(request, "console/styleguide_dialog.html", context)
    return render(request, "console/styleguide.html", context)


def _rows() -> list[dict[str, object]]:
    people = (
        ("Olivia Reyes", "One classic infrastructure key per user. Open View details to see its value."),
        ("Marcus Lindqvist", "Child of Olivia Reyes"),
        ("Priya Raman", "Child of Marcus Lindqvist"),
        ("Noor Haddad", "Child of Priya Raman"),
    )
    tags = ("Active, IP restricted", "Active", "Unused 30 days", "Leaked")
    colours = ("green", "", "blue", "red")
    return [
        {"id": n, "name": name, "description": text, "tag": tags[n], "colour": colours[n], "level": n + 1}
        for n, (name, text) in enumerate(people)
    ]


def _footer() -> dict[str, object]:
    return {
        "label": "Items per page:",
        "first_number": 26,
        "last_number": 50,
        "total_text": "of 50 items",
        "page_number": 2,
        "pages_text": "of 2",
        "previous_url": "?",
        "next_url": "",
        "per_page": 25,
        "per_page_choices": [(choice, choice) for choice in (10, 25, 50, 100)],
        "hidden": [("sort", "name")],
    }


def _wrong_form() -> SampleForm:
    form = SampleForm({"wrong-addresses": "17.5.7.8.0/16", "wrong-status": "active"}, prefix="wrong")
    form.add_error("addresses", "“17.5.7.8.0/16” is not an address, a range or a subnet.")
    return form
