"""Users are invited from a file: every mistake is named by its line and nobody is invited, or everybody is."""

import csv
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from accounts import audit, importing, member_files, memberships
from accounts.enums import MemberStatus
from accounts.member_files import Entry, FileError, Problem
from accounts.models import Event, ImportJob, Invitation, Mail, Member, User
from accounts.policy import NotAllowed
from tests.conftest import ACME
from tests.trees import chain, make_account
from tests.visitors import body_of, visitor

URL = "/iam/users/import"


def upload(client, data: bytes | str, name: str = "users.csv"):
    content = data.encode() if isinstance(data, str) else data
    return client.post(URL, {"file": SimpleUploadedFile(name, content)}, follow=True)


def confirm(client, member):
    """Say yes to the file that the member sent last, as the button does where there is one."""
    file_id = str(ImportJob.objects.get(member=member).uid)
    return client.post(URL, {"act": "invite", "file_id": file_id}, follow=True)


def mistakes(answer) -> dict[int, str]:
    rows = re.findall(
        r"<td>Line (\d+)</td>.*?data-label=\"Mistake\" class=\"break\">(.*?)</td>", answer.content.decode()
    )
    return {int(line): what for line, what in rows}


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (User, Member, Invitation, Mail, Event))


# --- What a file says -------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "text",
    [
        "email,parent\na@x.example,\nb@x.example,a@x.example\n",
        "\ufeffEmail;Name;Parent\r\na@x.example;Smith, A.;\r\nb@x.example;;a@x.example\r\n",
        "Parent\tE-mail\n\ta@x.example\na@x.example\tb@x.example",
    ],
    ids=["comma", "byte order mark and semicolon", "tab"],
)
def test_csv_is_read_as_programs_write_it(text):
    found = member_files.read(text.encode())
    assert found.entries == [Entry(2, "a@x.example"), Entry(3, "b@x.example", "a@x.example")]
    assert found.problems == []


@pytest.mark.sqlite_only
def test_csv_names_lines_as_editors_count_them():
    found = member_files.read(b'email,note\n"a@x.example","two\nlines"\n\nb@x.example\n\'=c@x.example,\n')
    assert found.entries == [Entry(2, "a@x.example"), Entry(6, "=c@x.example")]
    assert found.problems == [Problem(5, "b@x.example", "The heading has 2 cells, and this line 1.")]


LDIF = """version: 1
# people
dn: ou=People,dc=x
objectClass: organizationalUnit

dn: cn=Ann Lee, ou=People,dc=x
objectClass: inetOrgPerson
cn: Ann Lee
mail: ann@x.example
mail: second@x.example

dn:: Y249QsO2YixvdT1QZW9wbGUsZGM9eA==
objectClass: inetOrgPerson
mail: bo
 b@x.example
manager: CN=ann lee,ou=people , dc=x
"""


@pytest.mark.sqlite_only
def test_ldif_is_read_with_managers_by_their_names():
    found = member_files.read(LDIF.encode())
    assert found.entries == [Entry(6, "ann@x.example"), Entry(12, "bob@x.example", "ann@x.example")]
    assert found.problems == []
    more = (
        LDIF
        + f"""
dn: cn=c,dc=x
mail: c@x.example
manager: cn=nobody,dc=x

dn: cn=d,dc=x
changetype: delete

dn: cn=e,dc=x
objectclass: person

dn: cn=f,dc=x
mail:: !

dn: cn=Ann Lee,ou=People,dc=x
mail: g@x.example

mail: h@x.example

dn: cn=i
what

dn: cn=j
mail:< file:///etc/passwd

dn: cn=k
mail: k@x.example
manager: {"cn=l," * 2_001}

dn: {"cn=l, " * 32}cn=l
mail: l@x.example
jpegPhoto:: {"A" * 20_000}

dn: cn=m
mail: m@x.example
manager: {"CN=L, " * 32}cn=l
"""
    )
    found = member_files.read(more.encode())
    assert [entry.email[0] for entry in found.entries] == ["a", "b", "l", "m"]
    assert found.entries[-1].parent == "l@x.example"
    assert sorted(problem.what.split()[-1] for problem in found.problems) == sorted(
        ["cn=nobody,dc=x", "(changetype).", "(mail).", "base64.", "above.", "(dn).", "what", "read.", "characters."]
    )


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not name anyone"),
        (b"name\nx\n", "header"),
        (b"email,name,Email\na,b,c\n", "Columns 1 and 3 could each be the email"),
        (b"mail,manager,parent\na,b,c\n", "Columns 2 and 3 could each be the parent"),
        (b"email\na@x.example\n\xff\n", "Line 3 is not in UTF-8"),
        (b"email\na\0\n", "Line 2 holds a NUL"),
        (b"PK\3\4\x14\0\x06\0\x08\0\0\0!\0", "This is a workbook of Excel or another program. Save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "This is a workbook of Excel or another program. Save it as CSV UTF-8"),
        (b'email\n"a', "Line 2 cannot be read"),
        (b"email\n" + b"a" * 20_000, "Line 2 cannot be read"),
        (b"x" * (member_files.LARGEST_FILE + 1), "larger than 20 MiB"),
        (b"email\n" + b"a\n" * 100_001, "more than 100,000"),
        (b"email,parent\n" + b"a\n" * 100_001, "more than 100,000"),  # mistakes take memory too
        (b"dn: x\n\n" + b"x\n\n" * 100_001, "more than 100,000"),
        (b"".join(b"dn: cn=%d\nmail: m\n\n" % n for n in range(100_001)), "more than 100,000"),
        # What is short to send must not take long to read, nor many times its size of memory.
        (b"email\n" + b"\n" * 1_000_000, "more than 1,000,000 lines"),
        (b"dn:a\r\r" * 500_001, "more than 1,000,000 lines"),
        (b"email" + b",ab" * 40_000, "The row of line 1 has more than 100,000 characters"),
        (b"email\n" + b'"\n",' * 30_000, "The row of line 25002 has more than 100,000 characters"),
    ],
    ids=range(19),
)
def test_file_that_cannot_be_read_says_why(data, words):
    with pytest.raises(FileError, match=words):
        member_files.read(data)


# --- What becomes of it -----------------------------------------------------------------------------------------------


def test_thousand_lines_with_fifty_mistakes_change_nothing_and_corrected_they_go_in(
    cast, django_assert_max_num_queries
):
    """Each mistake is named, with its line and once; the corrected file goes in whole, each below their parent."""
    owner = cast["olivia"]
    owner.account.restrict_user_domains, owner.account.user_domains = True, "acme.example\nnew.example\nélan.example"
    owner.account.save()
    lines = [
        f"user{n}@new.example,{f'user{(n - 1) // 3}@new.example' if n else 'marcus@acme.example'}" for n in range(998)
    ]
    lines += ["ALONE@new.example,", "late@new.example,Priya@ACME.example"]
    planted = {
        **{400 + n: f"not an address {n}," for n in range(10)},
        **{500 + n: f"USER{n}@new.example," for n in range(10)},  # in the file already, in another case
        **{600 + n: f"stranger{n}@elsewhere.example," for n in range(10)},
        **{700 + n: f"lost{n}@new.example,nobody@new.example" for n in range(10)},
        710: "priya@acme.example,", 711: "Lena@acme.example,", 712: "\uff50riya@acme.example,",
        713: "self@new.example,self@new.example", 714: "below@new.example,dmitri@acme.example",
        # A circle of three, and one below it, who has no mistake of their own.
        715: "ring1@new.example,ring3@new.example", 716: "ring2@new.example,ring1@new.example",
        717: "ring3@new.example,ring2@new.example", 718: "under@new.example,ring1@new.example",
        719: "one,cell,too many",
        720: "user5@new.example,",
    }  # fmt: skip
    wrong = [planted.get(number, line) for number, line in enumerate(lines, start=2)]
    client, before = visitor(owner), counts()
    answer = upload(client, "\n".join(["email,parent", *wrong]))
    named = mistakes(answer)
    assert set(named) == set(planted) - {718}
    assert len(named) == 50
    for line, words in (
        (400, "valid email"), (500, "in line 2 already"), (600, "domains"), (700, "nor in the file"),
        (710, "already belongs to a user of the account"), (711, "already invited"), (712, "look like other ones"),
        (713, "own parent"), (714, "who is Suspended"), (715, "form a circle"), (719, "this line 3"),
    ):  # fmt: skip
        assert words in named[line], (line, named[line])
    assert "Invite 1" not in answer.content.decode()
    assert "Nothing was done" in confirm(client, owner).content.decode()
    assert counts() == before

    good = "\n".join(["email,parent", *lines])
    report = upload(client, good).content.decode()
    assert "Invite 1,000 users" in report
    assert counts() == before
    with django_assert_max_num_queries(95):
        done = confirm(client, owner).content.decode()
    assert "1,000 users of" in done
    members = {m.user.email: m for m in Member.objects.filter(account_id=ACME).select_related("user", "parent__user")}
    for n in (1, 2, 500, 997):
        assert members[f"user{n}@new.example"].parent.user.email == f"user{(n - 1) // 3}@new.example"
    assert members["user0@new.example"].parent_id == cast["marcus"].pk
    assert members["alone@new.example"].parent_id == owner.pk
    assert members["late@new.example"].parent_id == cast["priya"].pk
    assert {members[f"user{n}@new.example"].status for n in range(998)} == {MemberStatus.PROCESSING}
    assert Invitation.objects.count() == Mail.objects.filter(invitation__isnull=False).count() == before[2] + 1_000
    assert (
        Event.objects.filter(action="invitation.created", actor_id=owner.pk, details__contains="a file").count()
        == 1_000
    )
    assert list(audit.breaks(ACME)) == []
    # A second time: each is in already.
    again = upload(client, good)
    assert "1,000 mistakes in the file" in again.content.decode()
    pages = [client.get(f"{URL}?page={number}") for number in range(1, 11)]
    assert set().union(*map(mistakes, pages)) == set(range(2, 1_002))
    rows = list(csv.DictReader(io.StringIO(body_of(client.get(f"{URL}.csv")).decode())))
    assert [row["Line"] for row in rows] == [str(line) for line in range(2, 1_002)]
    assert {row["Mistake"] for row in rows} == {"This address is already invited."}


def test_nul_in_base64_is_no_text_and_nobodys_parent(cast):
    """PostgreSQL takes it for no text: the whole file would come to nothing, without a word about the line."""
    text = "dn: cn=x\nmail:: YQBAeC5leGFtcGxl\n\ndn: cn=y\nmail: b@x.example\nmanager: cn=x\n"
    assert mistakes(upload(visitor(cast["olivia"]), text)) == {
        1: "Line 2 is not text in base64.",
        4: "The manager is not in the file: cn=x",
    }


def test_whoever_invites_places_users_in_their_own_branch_alone(cast):
    """Of a parent elsewhere they learn no more than of one who does not exist; who may invite nobody gets 403."""
    parents = ("sam", "olivia", "priya", "marcus")
    text = "email,parent\n" + "".join(f"for-{name}@new.example,{name}@acme.example\n" for name in parents)
    named = mistakes(upload(visitor(cast["marcus"]), text))
    assert set(named) == {2, 3}
    assert all("neither you, nor a user below you, nor in the file" in what for what in named.values())
    assert upload(visitor(cast["priya"]), text).status_code == 403
    assert "Import users" in visitor(cast["marcus"]).get("/iam/users").content.decode()
    assert "Import users" not in visitor(cast["priya"]).get("/iam/users").content.decode()


def test_nobody_is_invited_into_a_frozen_branch(cast, origin):
    memberships.freeze_branch(member=cast["marcus"], reason="An audit", by=cast["olivia"], origin=origin)
    parents = ("marcus", "priya", "lena", "sam")  # the root, somebody below, somebody invited, somebody elsewhere
    text = "email,parent\n" + "".join(f"for-{name}@new.example,{name}@acme.example\n" for name in parents)
    named = mistakes(upload(visitor(cast["olivia"]), text))
    assert set(named) == {2, 3, 4}
    assert all("below the parent, who is frozen" in what for what in named.values())


def test_many_are_looked_through_and_invited_some_at_a_time(cast, origin, monkeypatch):
    monkeypatch.setattr(importing, "_AT_ONCE", 2)
    lines = "".join(
        f"{name}@new.example,{below}\n" for name, below in zip("abcde", ["", "a@new.example"] * 3, strict=False)
    )
    plan = importing.make_plan(
        member_files.read(f"email,parent\n{lines}priya@acme.example,\n".encode()), cast["marcus"]
    )
    assert plan.problems == [Problem(7, "priya@acme.example", "This address already belongs to a user of the account.")]
    content, before = member_files.read(f"email,parent\n{lines}".encode()), counts()
    assert importing.carry_out(content, by=cast["marcus"], origin=origin) == 5
    assert counts() == tuple(count + 5 for count in before)


def test_whoever_may_not_invite_any_more_invites_nobody(cast, origin):
    Member.objects.filter(pk=cast["marcus"].pk).update(permissions=0)
    with pytest.raises(NotAllowed):
        importing.carry_out(member_files.read(b"email\na@x.example"), by=cast["marcus"], origin=origin)


def test_levels_have_their_end_and_api_usernames_their_one_holder(cast):
    members = chain(make_account(), 255)
    owner = Member.objects.select_related("user", "account").get(pk=members[0].pk)
    deepest = Member.objects.select_related("user").get(pk=members[-1].pk).user.email
    taken = members[5]
    Member.objects.filter(pk=taken.pk).update(api_username=f"{owner.account_id}_d@x.example")
    text = f"email,parent\na@x.example,{deepest}\nb@x.example,a@x.example\nc@x.example,b@x.example\nd@x.example,"
    plan = importing.make_plan(member_files.read(text.encode()), owner)
    assert [(problem.line, problem.what.split()[0]) for problem in plan.problems] == [
        (3, "The"),
        (4, "The"),
        (5, "Another"),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choose a file."),
        ({"file": "in words"}, "Choose a file."),
        ({"file": SimpleUploadedFile("a.csv", b"x\ny")}, "heading"),
        ({"file": SimpleUploadedFile("a.csv", b"email\n" + b"a\n" * 100_001)}, "more than 100,000 entries"),
        ({"file": SimpleUploadedFile("a.csv", b"a" * (member_files.LARGEST_FILE + 1))}, "larger than 20 MiB"),
        ({"file": SimpleUploadedFile("a.csv", b"email\n\xe9@x.example\n")}, "Line 2 is not in UTF-8"),
        ({"file": SimpleUploadedFile("a.csv", b"email" + b"\n" * 1_000_001)}, "more than 1,000,000 lines"),
        ({"file": SimpleUploadedFile("a.csv", b"email\n" + b",a" * 2_000_000)}, "more than 100,000 characters"),
    ],
    ids=range(8),
)
def test_unusable_file_is_said_beside_the_field(cast, fields, words):
    body = visitor(cast["olivia"]).post(URL, fields).content.decode()
    assert words in body
    assert 'id="id_file_error"' in body


def test_command_imports_like_the_page(cast, tmp_path):
    file, out = tmp_path / "people.ldif", io.StringIO()
    file.write_text(LDIF)
    call_command("import_members", str(file), account=ACME, by="marcus@acme.example", dry_run=True, stdout=out)
    assert out.getvalue() == "2 would be invited.\n"
    assert not User.objects.filter(email="ann@x.example").exists()
    call_command("import_members", str(file), account=ACME, by="marcus@acme.example", stdout=out)
    assert out.getvalue().endswith("  2 of 2\n2 are invited.\n")
    bob = Member.objects.get(user__email="bob@x.example")
    assert (bob.parent.user.email, bob.parent.parent_id) == ("ann@x.example", cast["marcus"].pk)
    assert bob.permissions == bob.parent.permissions == 0
    with pytest.raises(CommandError, match="2 mistakes. No one was invited"):
        call_command("import_members", str(file), account=ACME, by="marcus@acme.example", stdout=out)
    assert "line 6: ann@x.example: This address is already invited." in out.getvalue()
    for arguments, words in (
        ({"by": "priya@acme.example"}, "permission"), ({"by": "x"}, "valid"), ({"by": "x@y.example"}, "no user"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=words):
            call_command("import_members", str(file), **{"account": ACME, "by": "marcus@acme.example", **arguments})
    with pytest.raises(CommandError, match="No one was invited"):
        call_command("import_members", str(tmp_path / "none"), account=ACME, by="marcus@acme.example")


def test_users_are_exported_in_a_form_that_can_be_imported(cast):
    """In the view and with the filters of the page; the file of one account invites the same tree into another."""
    text = body_of(visitor(cast["marcus"]).get("/iam/users.csv?view=hierarchy&status=active")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["User"], row["Parent"]) for row in rows] == [
        ("Marcus Lindqvist", "olivia@acme.example"),
        ("Priya Raman", "marcus@acme.example"),
        ("Noor Haddad", "priya@acme.example"),
    ]
    sam = Member.objects.select_related("user", "account").get(account_id=7654321, user__email="sam@acme.example")
    named = mistakes(upload(visitor(sam), text))
    assert {line: what.split()[1] for line, what in named.items()} == {2: "parent", 4: "address"}
