"""The account that a page was made in: its forms carry it, because in another account they would affect other people.

The present account belongs to the session, so switching accounts in one tab switches all tabs. Somebody who sends a
form that was opened before means the account that they saw at the top of its page.
"""

from accounts import signin
from accounts.requests import MemberRequest

#: The name of the field; ``csrf_token`` of ``console.templatetags.ui`` writes it into every form of a signed-in page.
FIELD = "page_account"


def is_another(request: MemberRequest) -> bool:
    """Whether the form was opened in another account than the present one; false if it does not say.

    Reads the form, so it must be called after it is decided whether a large body may be read.
    """
    opened_in = request.POST.get(FIELD)
    return opened_in is not None and opened_in != str(request.member.account_id)


def in_words(request: MemberRequest) -> str:
    """Return what to tell the sender of such a form; names the other account to those who still belong to it."""
    opened_in, present = request.POST.get(FIELD), request.member.account
    still_theirs = [
        member.account for member in signin.memberships(request.user) if str(member.account_id) == opened_in
    ]
    where = still_theirs[0] if still_theirs else "another account"
    remedy = f"Switch back to {where}, or do it again here." if still_theirs else "If you want it here, do it again."
    return f"Nothing was changed\nYou are now in {present}, but this form was opened in {where}. {remedy}"
