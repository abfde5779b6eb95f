"""The account that a page was made in, which its forms carry: sent in another, they would do it to other people.

The present account belongs to the session, so choosing another in one tab chooses it for all. A form that was opened
before does not name its account, but its reader saw it on top of the page, and means that one.
"""

from accounts import signin
from accounts.requests import MemberRequest

#: The name of the field; ``csrf_token`` of ``console.templatetags.ui`` writes it into every form of a signed-in page.
FIELD = "page_account"


def is_another(request: MemberRequest) -> bool:
    """Whether the form was opened in another account than the present one. One that does not say was opened here.

    Reads the form: to be called when it is settled whether a large one may be read.
    """
    opened_in = request.POST.get(FIELD)
    return opened_in is not None and opened_in != str(request.member.account_id)


def in_words(request: MemberRequest) -> str:
    """Return what to say of such a form. It names the account it was opened in to those who still belong to it."""
    opened_in, present = request.POST.get(FIELD), request.member.account
    still_theirs = [
        member.account for member in signin.memberships(request.user) if str(member.account_id) == opened_in
    ]
    where = still_theirs[0] if still_theirs else "another account"
    remedy = f"Switch back to {where}, or do it again here." if still_theirs else "If you want it here, do it again."
    return f"Nothing was changed\nYou are now in {present}, but this form was opened in {where}. {remedy}"
