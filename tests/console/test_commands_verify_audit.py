"""``verify_audit``: every way to touch a written trail is found, and named at its first place."""

import base64
import hashlib
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts import audit, events, new_members, sealing
from accounts.models import Account, AuditChain, Event
from accounts.origin import Origin
from console import audit_check
from tests.conftest import ACME, BOREALIS
from tests.trail import remove_triggers
from tests.trees import make_user

pytestmark = pytest.mark.django_db
OTHER_KEY = base64.b64encode(b"B" * 32).decode()


def run(*arguments: str):
    out = StringIO()
    call_command("verify_audit", *arguments, stdout=out)
    return out.getvalue()


def run_on_break(*arguments: str):
    """The output of a run that must end with 1."""
    out = StringIO()
    with pytest.raises(CommandError, match=r"The audit trail is broken\.") as error:
        call_command("verify_audit", *arguments, stdout=out)
    assert error.value.returncode == 1
    return out.getvalue()


@pytest.fixture
def trail(cast, origin):
    """The events of Acme, whose triggers are away until the test's transaction is undone."""
    remove_triggers()
    events_of_acme = Event.objects.filter(account_id=ACME)
    assert events_of_acme.count() > 12
    return events_of_acme


def newest(account_id):
    return Event.objects.filter(account_id=account_id).order_by("-number").first()


# --- A whole trail ---------------------------------------------------------------------------------------------------


def test_a_whole_trail_passes_and_its_heads_are_printed(cast):
    heads = [str(audit_check.head(account_id)) for account_id in (ACME, BOREALIS)]
    assert run().splitlines() == [f"Account {ACME}: whole", f"Account {BOREALIS}: whole", "Heads:", *heads]


def test_a_head_is_number_digest_and_time_of_the_newest_event(cast):
    event = newest(ACME)
    account_id, number, digest, at = run("--heads").splitlines()[0].split(" ")
    assert (account_id, int(number), at) == (str(ACME), event.number, event.at.isoformat())
    assert digest == hashlib.sha256(bytes(event.link)).hexdigest()


def test_heads_alone_are_printed_without_verifying(trail):
    trail.filter(number=2).update(action="nothing")
    assert len(run("--heads").splitlines()) == 2


def test_one_account_can_be_asked_for(cast):
    assert run("--account", str(BOREALIS)).startswith(f"Account {BOREALIS}: whole\nHeads:\n{BOREALIS} ")
    with pytest.raises(CommandError, match="There is no account 9999999"):
        run("--account", "9999999")


def test_without_accounts_there_is_nothing_to_verify():
    assert run() == "Heads:\n"


def test_the_chain_goes_on_under_a_new_master_key(cast, origin, settings):
    old = Path(settings.KEYTREE_KEY_RING_FILE).read_text().strip()
    settings.KEYTREE_KEY_RING = f"new:{OTHER_KEY},{old}"

    audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)

    assert bytes(newest(ACME).link).startswith(b"new:")
    assert f"Account {ACME}: whole" in run()


# --- Breaks ----------------------------------------------------------------------------------------------------------

CHANGES = {
    "at": "2001-01-01 00:00:00+00:00",
    "action": "user.signed_out",
    "outcome": "refused",
    "actor_id": 99,
    "actor_label": "Somebody else",
    "subject_id": 99,
    "subject_label": "Somebody else",
    "address": "192.0.2.1",
    "request_id": "another",
    "details": '{"what": "something"}',
    "once": "once",
    "link": b"1:" + bytes(32),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_event_is_found_whatever_was_changed(trail, field):
    trail.filter(number=5).update(**{field: CHANGES[field]})
    said = run_on_break()
    assert f"Account {ACME}: broken at event 5: it was changed after it was written\n" in said
    assert f"Account {BOREALIS}: whole\n" in said


def test_every_field_of_an_event_is_covered():
    assert {field.name for field in Event._meta.fields} == {*CHANGES, "id", "account_id", "number"}


def test_the_first_of_several_breaks_is_named(trail):
    trail.filter(number__in=[4, 9]).update(action="nothing")
    said = run_on_break()
    assert said.count("broken at") == 1
    assert "broken at event 4" in said


@pytest.mark.parametrize(
    ("removed", "what"), [([7], "events 7 to 7 are missing"), ([1, 2, 3], "events 1 to 3 are missing")]
)
def test_removed_events_are_found(trail, removed, what):
    trail.filter(number__in=removed).delete()
    assert f"broken at event {removed[0]}: {what}\n" in run_on_break()


def test_a_removed_event_whose_gap_was_closed_is_found(trail):
    trail.filter(number=7).delete()
    for event in trail.filter(number__gt=7).order_by("number"):
        trail.filter(pk=event.pk).update(number=event.number - 1)
    assert "broken at event 7: it was changed" in run_on_break()


def test_an_event_put_in_is_found(trail):
    last = newest(ACME)
    copy = Event.objects.get(pk=last.pk)
    copy.pk, copy.number = None, last.number + 1
    copy.save(force_insert=True)
    assert f"broken at event {last.number + 1}: it was changed" in run_on_break()


def test_an_event_put_in_between_is_found(trail):
    for event in trail.filter(number__gte=6).order_by("-number"):
        trail.filter(pk=event.pk).update(number=event.number + 1)
    copy = trail.get(number=5)
    copy.pk, copy.number = None, 6
    copy.save(force_insert=True)
    assert "broken at event 6: it was changed" in run_on_break()


def test_two_events_that_changed_places_are_found(trail):
    one, other = trail.get(number=5), trail.get(number=6)
    trail.filter(pk=one.pk).update(number=1_000)
    trail.filter(pk=other.pk).update(number=5)
    trail.filter(pk=one.pk).update(number=6)
    assert "broken at event 5: it was changed" in run_on_break()


def test_an_event_moved_to_another_account_is_found(trail):
    last = newest(ACME)
    Event.objects.filter(account_id=BOREALIS, number=2).update(account_id=ACME, number=last.number + 1)
    said = run_on_break()
    assert f"Account {ACME}: broken at event {last.number + 1}: it was changed" in said
    assert f"Account {BOREALIS}: broken at event " in said


@pytest.mark.parametrize("count", [1, 3])
def test_a_trail_cut_short_is_found(trail, count):
    last = newest(ACME).number
    trail.filter(number__gt=last - count).delete()
    assert f"broken at event {last - count + 1}: events are missing at the end\n" in run_on_break()


def test_a_trail_wholly_removed_is_found(trail):
    trail.delete()
    said = run_on_break()
    assert f"Account {ACME}: broken at event 1: events are missing at the end\n" in said
    assert f"{ACME} has no events\n" in said


def test_a_trail_removed_with_its_chain_is_found(trail):
    trail.delete()
    AuditChain.objects.filter(pk=ACME).delete()
    assert f"Account {ACME}: broken at event 1" in run_on_break()


def test_a_trail_whose_account_is_gone_is_still_verified(trail, origin):
    owner = new_members.create_account(name="To be removed", owner=make_user(), origin=origin)
    account_id = owner.account_id
    owner.delete()
    Account.objects.filter(pk=account_id).delete()
    assert f"Account {account_id}: whole" in run()
    Event.objects.filter(account_id=account_id).delete()
    assert f"Account {account_id}: broken at event 1" in run_on_break()


def test_an_event_under_a_master_key_that_is_not_in_the_ring_is_named(trail, settings):
    settings.KEYTREE_KEY_RING = f"other:{OTHER_KEY}"
    assert f"Account {ACME}: broken at event 1: its key, 1, is not in the key ring\n" in run_on_break()


def test_events_written_by_somebody_without_the_master_key_are_found(trail, settings, origin, cast):
    ring = settings.KEYTREE_KEY_RING
    settings.KEYTREE_KEY_RING = f"1:{OTHER_KEY}"  # same id, another key
    audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)
    settings.KEYTREE_KEY_RING = ring
    sealing.configured_ring()
    assert f"broken at event {newest(ACME).number}: it was changed" in run_on_break()


# --- Heads copied before ---------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path, cast):
    """The file with the heads of some time ago."""
    file = tmp_path / "heads"
    file.write_text(run("--heads"))
    return file


def forge_end(number):
    """Cut the trail after that event and close it again, as somebody can who may write to every table."""
    Event.objects.filter(account_id=ACME, number__gt=number).delete()
    link = Event.objects.get(account_id=ACME, number=number).link
    AuditChain.objects.filter(pk=ACME).update(number=number, link=link)


def test_a_trail_that_went_on_agrees_with_its_earlier_head(copied, cast, origin):
    audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)
    assert f"Account {ACME}: whole" in run("--against", str(copied))


def test_a_cut_whose_end_was_forged_is_found_by_the_copied_head_alone(copied, trail):
    last = newest(ACME).number
    forge_end(last - 2)
    assert f"Account {ACME}: whole" in run()

    said = run_on_break("--against", str(copied))

    assert f"Account {ACME}: event {last} is missing, which was there at 20" in said


def test_a_cut_that_was_filled_again_is_found_by_the_copied_head(copied, trail, cast, origin):
    last = newest(ACME).number
    forge_end(last - 1)
    audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)
    audit.record(events.SIGNED_OUT, actor=cast["olivia"], origin=origin)
    assert f"Account {ACME}: whole" in run()

    said = run_on_break("--against", str(copied))

    assert f"Account {ACME}: event {last} is not the one that was there at 20" in said


def test_heads_of_other_accounts_do_not_count_when_one_is_asked_for(copied, trail):
    forge_end(3)
    assert "whole" in run("--against", str(copied), "--account", str(BOREALIS))


def test_blank_lines_in_copied_heads_are_skipped(copied):
    copied.write_text(copied.read_text().replace("\n", "\n\n"))
    assert "whole" in run("--against", str(copied))


@pytest.mark.parametrize(
    "line",
    [
        "1234567",
        "1234567 3 abc 2026-01-01T00:00:00+00:00",
        f"1234567 3 {'a' * 64} yesterday",
        f"x 3 {'a' * 64} 2026-01-01T00:00:00+00:00",
        f"1234567 3 {'A' * 64} 2026-01-01T00:00:00+00:00",
        "Heads:",
    ],
)
def test_a_file_that_holds_no_heads_is_refused_by_line(tmp_path, line):
    file = tmp_path / "heads"
    file.write_text(f"\n{line}\n")
    with pytest.raises(CommandError, match="Line 2 is not a head"):
        run("--against", str(file))


@pytest.mark.parametrize("content", [None, b"\xff\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    file = tmp_path / "heads"
    if content:
        file.write_bytes(content)
    with pytest.raises(CommandError, match=str(file)):
        run("--against", str(file))


# --- While events are written ----------------------------------------------------------------------------------------


def test_an_event_written_while_the_trail_is_read_is_no_break(cast, origin, monkeypatch):
    """The chain's end is read after the events: one written in between looks like one that is missing."""
    written = []
    breaks = audit.breaks

    def interrupted(account_id):
        found = list(breaks(account_id))
        if len(written) < 2:
            written.append(audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin))
            found = [(written[-1].number, "events are missing at the end")]
        return iter(found)

    monkeypatch.setattr(audit, "breaks", interrupted)

    assert audit_check.first_break(ACME) is None
    assert len(written) == 2


def test_a_real_break_is_told_though_events_keep_coming(cast, origin, monkeypatch):
    def always_broken(account_id):
        audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=Origin(address=None))
        return iter([(3, "it was changed after it was written")])

    monkeypatch.setattr(audit, "breaks", always_broken)

    assert audit_check.first_break(ACME) == (3, "it was changed after it was written")


def test_a_trail_cut_short_is_found_although_its_end_was_counted_down(trail):
    last = newest(ACME).number
    trail.filter(number=last).delete()
    AuditChain.objects.filter(pk=ACME).update(number=last - 1)
    assert f"broken at event {last}: events are missing at the end\n" in run_on_break()


def test_a_trail_given_to_another_account_as_a_whole_is_found(trail):
    """Numbers and links fit, and so does the end: that it is another account's is all that is wrong."""
    whole = AuditChain.objects.get(pk=ACME)
    Event.objects.filter(account_id=BOREALIS).delete()
    trail.update(account_id=BOREALIS)
    AuditChain.objects.filter(pk=BOREALIS).update(number=whole.number, link=whole.link)
    assert f"Account {BOREALIS}: broken at event 1: it was changed after it was written\n" in run_on_break()


def test_an_event_of_another_course_of_things_is_found(trail, cast, origin):
    """As from a copy of the database that went on by itself: number and key are right, what follows is not its."""
    with transaction.atomic():
        other = audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)
        transaction.set_rollback(True)
    real = audit.record(events.SIGNED_OUT, actor=cast["olivia"], origin=origin)
    audit.record(events.SIGNED_IN, actor=cast["olivia"], origin=origin)
    trail.filter(pk=real.pk).delete()
    other.pk = real.pk
    other.save(force_insert=True)
    assert other.number == real.number
    assert f"broken at event {real.number + 1}: it was changed after it was written\n" in run_on_break()
