"""The tables of people, accounts, the tree, mail and the audit trail: fields, constraints, properties; no rules."""

from accounts.models.account import Account
from accounts.models.event import AuditChain, Event
from accounts.models.factor import Passcode, Passkey, PasskeyChallenge, RecoveryCode
from accounts.models.freeze import BranchFreeze
from accounts.models.import_job import ImportJob, ImportState
from accounts.models.invitation import Invitation
from accounts.models.mail import Mail
from accounts.models.member import Member
from accounts.models.reset import PasswordReset
from accounts.models.session import Session
from accounts.models.throttle import AttemptCount
from accounts.models.user import User

__all__ = [
    "Account",
    "AttemptCount",
    "AuditChain",
    "BranchFreeze",
    "Event",
    "ImportJob",
    "ImportState",
    "Invitation",
    "Mail",
    "Member",
    "Passcode",
    "Passkey",
    "PasskeyChallenge",
    "PasswordReset",
    "RecoveryCode",
    "Session",
    "User",
]
