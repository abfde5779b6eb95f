"""The names of audit events and their sentences for the activity page; other apps add theirs when they start."""

SENTENCES: dict[str, str] = {}


def register(sentences: dict[str, str]) -> None:
    """Add an app's events: name to sentence. A name belongs to one app: raises ValueError when it is taken."""
    if taken := SENTENCES.keys() & sentences.keys():
        raise ValueError(f"Events registered twice: {', '.join(sorted(taken))}")
    SENTENCES.update(sentences)


ACCOUNT_CREATED = "account.created"
SIGNED_IN = "user.signed_in"
SIGN_IN_REFUSED = "user.sign_in_refused"
SIGNED_OUT = "user.signed_out"
IDENTITY_PROVED = "user.identity_proved"
ACCOUNT_SWITCHED = "user.account_switched"
MEMBER_ADDED = "member.added"
PERMISSION_REFUSED = "permission.refused"
CONSOLE_REFUSED = "console.refused"
RESTRICTION_CHANGED = "member.restriction_changed"
STATUS_CHANGED = "member.status_changed"
PARENT_CHANGED = "member.parent_changed"
PERMISSIONS_CHANGED = "member.permissions_changed"
LOGIN_CHANGED = "member.user_managed_login_changed"
REMOVED = "member.removed"
VPN_PASSWORD_CHANGED = "member.vpn_password_changed"  # noqa: S105 - a name, not a secret

register(
    {
        ACCOUNT_CREATED: "Account created",
        SIGNED_IN: "Signed in",
        SIGN_IN_REFUSED: "Sign-in refused",
        SIGNED_OUT: "Signed out",
        IDENTITY_PROVED: "Identity proved again",
        ACCOUNT_SWITCHED: "Switched to this account",
        MEMBER_ADDED: "User added",
        PERMISSION_REFUSED: "Action refused",
        CONSOLE_REFUSED: "Use of the console refused",
        RESTRICTION_CHANGED: "Cloud platform address restriction changed",
        VPN_PASSWORD_CHANGED: "VPN password changed",
        STATUS_CHANGED: "User status changed",
        PARENT_CHANGED: "Parent user changed",
        PERMISSIONS_CHANGED: "Permissions changed",
        LOGIN_CHANGED: "User-managed login changed",
        REMOVED: "User removed",
    }
)
