"""Imports of users from a file, between the file's arrival and its end."""

import uuid

from django.db import models

from accounts.models.member import Member


class ImportState(models.TextChoices):
    """How far an import is."""

    CHECKING = "checking", "Checking"
    CHECKED = "checked", "Checked"  # there is a report; a yes may follow
    INVITING = "inviting", "Inviting"
    DONE = "done", "Done"


class ImportJob(models.Model):
    """A file that a member wants to import, what was found in it, and how far the work on it is.

    A member has one row. Another file replaces it under another ``uid``, by which a form says which file it is about.
    Work is done in rounds: only the present ``round`` may store a result.
    """

    member = models.OneToOneField(Member, on_delete=models.CASCADE, related_name="+")
    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    created_at = models.DateTimeField(db_index=True)
    file_name = models.CharField(max_length=255)
    content = models.BinaryField(help_text="The file, compressed; empty when everybody in it is invited.")
    entries = models.PositiveIntegerField(help_text="How many lines name somebody, or are wrong.")
    state = models.CharField(max_length=10, choices=ImportState, default=ImportState.CHECKING)
    report = models.BinaryField(default=b"", help_text="What was found of each line, as JSON, compressed.")
    people = models.PositiveIntegerField(default=0, help_text="How many can be invited, or were.")
    problems = models.PositiveIntegerField(default=0, help_text="How many mistakes the report names.")
    notice = models.CharField(max_length=500, blank=True, help_text="Why the last round came to nothing.")
    round = models.UUIDField(null=True, help_text="Who works on it; none when nobody does.")
    origin = models.TextField(default="{}", help_text="From where that round was asked for, as JSON.")
    done = models.PositiveIntegerField(default=0, help_text="How many of its people the round has dealt with.")
    seen_at = models.DateTimeField(null=True, help_text="The round's last sign of life.")

    def __str__(self) -> str:
        return f"{self.pk}, {self.state}"
