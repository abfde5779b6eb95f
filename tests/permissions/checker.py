"""Compares the program's answers, and what they change, with what the table expects."""

import re

from accounts.enums import Permission
from accounts.models import Account, Member, Session
from accounts.sessions import row_key
from keys.models import ClassicKey, PlatformKey
from tests import matrix
from tests.matrix import Act, Case, may
from tests.permissions.looks import LOOKS
from tests.permissions.world import CHILD, GRANDCHILD, Answer, World, events_since, events_there
from tests.surfaces import Surface, expected_status
from tests.visitors import undone

#: What a refused request may write: its event, and the chain that holds it.
TRAIL = {"accounts_event", "accounts_auditchain"}
#: What a change writes beside what it is about: its event, the sentence for the next page, mail to those concerned.
BESIDES = TRAIL | {"accounts_session", "accounts_mail"}
#: What the index of names writes when a member comes or goes: PostgreSQL's table is written by triggers alone.
INDEX = {"accounts_member_index", "accounts_member_unindexed"}
#: The permissions that the form of permissions asks for.
ASKED = Permission.MANAGE_USERS | Permission.USER_EDITOR | Permission.USER_ADMINISTRATOR
#: What goes with a user who is nowhere any more.
IDENTITY = {
    "accounts_passcode", "accounts_passkey", "accounts_passkeychallenge", "accounts_passwordreset",
    "accounts_recoverycode", "accounts_user",
}  # fmt: skip
#: What goes with a member.
PLACE = {
    "accounts_invitation", "accounts_branchfreeze", "accounts_importjob", "keys_keptrestriction", "keys_platformkey",
}  # fmt: skip
#: Further tables that a route may write to when it does what was asked.
FURTHER = {
    "accounts:remove": INDEX | IDENTITY | PLACE,
    "accounts:cancel-invite": INDEX | IDENTITY | PLACE | {"accounts_attemptcount"},
    "accounts:invite": INDEX | {"accounts_attemptcount", "accounts_member", "accounts_user"},
    "accounts:import": INDEX | {"accounts_attemptcount", "accounts_importjob", "accounts_member", "accounts_user"},
    "accounts:add-vpn-user": INDEX | {"accounts_user"},
    "accounts:resend-invite": {"accounts_attemptcount", "accounts_member"},
}


class Checker:
    """Compares answers with what the table expects."""

    def __init__(self, world: World, case: Case) -> None:
        self.world, self.case, self.cells = world, case, 0

    def check(self, surface: Surface) -> None:
        """Ask one surface, in a world that is afterwards as it was before."""
        with undone():
            if surface.needs_no_key:
                self._check_without_key(surface)
            expected = expected_status(surface, self.case)
            if surface.needs_no_key and expected == surface.answer:
                expected = 302  # there is a key already: a clear refusal, and nothing changes
                surface = Surface(surface.route, surface.method, 302, about=surface.about)
            self._compare(surface, expected, has_key=True)

    def _check_without_key(self, surface: Surface) -> None:
        with undone():
            ClassicKey.objects.filter(holder=self.world.target).delete()
            self._compare(surface, expected_status(surface, self.case), has_key=False)

    def _compare(self, surface: Surface, expected: int, *, has_key: bool) -> None:
        self.cells += 1
        world, case = self.world, self.case
        events_before = events_there()
        answer = world.ask(surface)
        where = f"{surface.name}, {'with' if has_key else 'without'} a key, in {tuple(case)}"
        assert answer.status == expected, where
        if answer.status == 302 and not case.is_signed_in and not surface.for_strangers:
            no_pages = {"accounts:logout", "accounts:switch-account", "console:navigation"}
            leads_back = surface.route not in no_pages
            assert answer.location.startswith("/login?next=" if leads_back else "/login"), where
        self._check_values(surface, answer, where, has_key=has_key)
        new = events_since(events_before)
        done = answer.status == surface.answer and surface.changes and answer.status < 400
        if done and (case.is_signed_in or surface.for_strangers):
            assert surface.changes in answer.written, where
            also = {"keys_classickey"} | FURTHER.get(surface.route, set())
            assert answer.written <= BESIDES | {surface.changes} | also, where
            assert {event.outcome for event in new} == self._outcomes(surface), where
            if surface.route in ("accounts:remove", "accounts:cancel-invite"):
                self._check_removal(where)
            elif surface.route in ("accounts:invite", "accounts:import", "accounts:add-vpn-user"):
                self._check_newcomer(surface, where)
            else:
                self._check_change(surface, where)
                self._check_place(surface, where)
                self._check_platform_keys(surface, where)
                self._check_sessions_and_settings(surface, where)
        elif answer.status == 403:
            is_suspended = case.actor_status == matrix.SUSPENDED or case.actor_is_frozen
            refused = "console.refused" if is_suspended else "permission.refused"
            assert answer.written == TRAIL, where
            assert [(e.action, e.outcome, e.actor_id) for e in new] == [(refused, "refused", world.actor.pk)], where
            told = "Your branch of users in" if case.actor_is_frozen else "You are suspended in"
            assert (told if is_suspended else "Not allowed") in answer.body, where
            reason = r'<p class="lead">(?!You can see this, but you)[A-Z][^<]{20,}\.</p>'
            assert is_suspended or re.search(reason, answer.body), where
        elif surface.notes and answer.status == 200 and world.actor.pk != world.target.pk:
            assert answer.written == TRAIL, where
            assert [(e.action, e.outcome, e.actor_id) for e in new] == [(surface.notes, "success", world.actor.pk)], (
                where
            )
        else:
            allowed = {"accounts_session", surface.keeps} if answer.status == 302 else set()
            assert answer.written <= allowed, where
            assert not new, where
        if answer.status in (403, 404) and world.actor.pk != world.target.pk:
            for secret in (world.target.user.email, world.target.user.name + "<", world.target.api_username):
                assert secret not in answer.body, where
        look = LOOKS.get((surface.route, surface.query))
        if look and surface.method == "GET" and answer.status == 200:
            look(world, case, answer.body, where)

    def _check_values(self, surface: Surface, answer: Answer, where: str, *, has_key: bool) -> None:
        """No answer holds a value but the target's key's, where the table says so, and that in the body alone.

        And none the key of a session, which its cookie alone has.
        """
        assert self.world.others_key not in answer.body + answer.headers, where
        assert not self.world.session_key or self.world.session_key not in answer.body, where
        told = surface.gives_value and answer.status == 200 and surface.answer == 200
        for pk, value in self.world.values.items():
            assert value not in answer.headers, where
            is_the_one = told and has_key and pk == self.world.target.pk
            assert (value in answer.body) is is_the_one, where
        platform = re.findall(r"\bktp_\w+", answer.body + answer.headers)
        assert len(platform) == (surface.gives_platform_value and answer.status == 200), where
        hexadecimal = re.findall(r"\b[0-9a-f]{64}\b", answer.body)
        assert len(set(hexadecimal)) == (1 if told else 0), where

    def _check_change(self, surface: Surface, where: str) -> None:
        """The change happened, to the target and to nobody else."""
        target = Member.objects.get(pk=self.world.target.pk)
        keys = {key.holder_id: key for key in ClassicKey.objects.all()}
        is_revoked = surface.route == "keys:revoke-branch"
        others = set(self.world.values) - (self.world.branch_of_target() if is_revoked else {target.pk})
        assert others <= set(keys), where
        match surface.route:
            case "keys:revoke-branch":
                assert others == set(keys), where
            case "keys:classic-delete":
                assert target.pk not in keys, where
            case "keys:classic-create":
                assert keys[target.pk].creator_id == self.world.actor.pk, where
            case "keys:classic-restrict":
                assert keys[target.pk].allowed_addresses == "10.0.0.0/8", where
            case "accounts:vpn-password":
                assert target.vpn_password, where
            case "keys:restrictions":
                assert target.allowed_addresses == "0.0.0.0/0", where
                restricted = keys[target.pk].allowed_addresses == "10.0.0.0/8"
                assert restricted is may(Act.RESTRICT_KEY, self.case), where
        touched = [key for key in keys.values() if key.allowed_addresses and key.holder_id != target.pk]
        assert not touched, where

    def _check_place(self, surface: Surface, where: str) -> None:
        """The user's place in the account is the one that was asked for."""
        target = Member.objects.get(pk=self.world.target.pk)
        match surface.route:
            case "accounts:status":
                assert target.status != self.case.target_status, where
            case "accounts:parent":
                assert target.parent_id == self.world.new_parent.pk, where
            case "accounts:permissions":
                assert Permission(target.permissions) == ASKED & self._given(), where
            case "accounts:user-managed-login":
                assert target.user_managed_login, where

    def _check_platform_keys(self, surface: Surface, where: str) -> None:
        """The target's key became what was asked for; a new one is the actor's, who is the target."""
        keys = list(PlatformKey.objects.order_by("pk"))
        match surface.route:
            case "keys:platform-create":
                assert [key.holder_id for key in keys] == [self.world.actor.pk] * 2, where
                assert keys[1].name == "Renamed", where
            case "keys:platform-edit":
                assert (keys[0].name, keys[0].leaked_action) == ("Renamed", "nothing"), where
            case "keys:platform-lock" | "keys:platform-unlock":
                assert keys[0].is_locked is (surface.route == "keys:platform-lock"), where
            case "keys:platform-enable" | "keys:platform-disable":
                assert keys[0].is_enabled is (surface.route == "keys:platform-enable"), where
            case "keys:platform-delete":
                assert not keys, where
            case _:
                assert [key.pk for key in keys] == [self.world.platform_id], where

    def _outcomes(self, surface: Surface) -> set[str]:
        """Return the outcomes of the events of what was done."""
        outcomes = {"success"} if surface.is_event else set()
        if surface.route == "accounts:permissions" and ASKED & ~self._given():
            outcomes.add("refused")  # what the actor lacks is not given, and that is an event too
        return outcomes

    def _given(self) -> Permission:
        """Return what the actor can give."""
        return ~Permission(0) if self.world.actor.is_owner else Permission(self.case.granted)

    def _check_sessions_and_settings(self, surface: Surface, where: str) -> None:
        """Of the target's sessions and the account's settings those are changed that were asked for."""
        actor, kept = self.world.actor, set(Session.objects.values_list("pk", flat=True))
        account = Account.objects.get(pk=actor.account_id)
        match surface.route:
            case "accounts:end-session" | "accounts:end-user-sessions":
                assert row_key(self.world.others_key) not in kept, where
                assert row_key(self.world.session_key) in kept, where
            case "accounts:end-all-sessions":
                assert row_key(self.world.session_key) not in kept, where
                assert (row_key(self.world.others_key) in kept) is (actor.pk != self.world.target.pk), where
            case "accounts:settings-own-key-creation":
                assert Permission.API_KEY_CREATOR in Permission(Member.objects.get(pk=actor.pk).permissions), where
            case _:
                self._check_settings(surface, account, where)

    def _check_settings(self, surface: Surface, account: Account, where: str) -> None:
        match surface.route:
            case "accounts:settings-user-list":
                assert account.restrict_user_list is not self.case.list_is_restricted, where
            case "accounts:settings-key-creation":
                assert account.restrict_key_creation, where
            case "accounts:settings-second-factor":
                assert account.require_second_factor, where
            case "accounts:settings-addresses":
                assert account.allowed_addresses == "0.0.0.0/0", where
            case "accounts:settings-domains":
                assert account.domains_in_force == "kept.example\nmatrix.example", where
            case "accounts:settings-remove-domain":
                assert account.user_domains == "", where
            case "accounts:settings-login-session":
                assert account.most_sessions == 3, where

    def _check_newcomer(self, surface: Surface, where: str) -> None:
        """One more, below the one who asked, with nothing but what was asked for."""
        known = [member.pk for member in [*self.world.members, *self.world.foreign]]
        newcomer = Member.objects.select_related("user").get(
            parent=self.world.actor, user__email__endswith="@matrix.example"
        )
        assert Member.objects.exclude(pk__in=known).get() == newcomer, where
        status = "vpn_only" if surface.route == "accounts:add-vpn-user" else "processing"
        assert (newcomer.status, newcomer.permissions) == (status, 0), where
        assert not newcomer.user.has_usable_password(), where

    def _check_removal(self, where: str) -> None:
        """The target and their key are gone, and nobody else: those below moved up with all that is theirs."""
        world = self.world
        left = {pk: (parent, path) for pk, parent, path in Member.objects.values_list("pk", "parent_id", "path")}
        assert set(left) == {member.pk for member in [*world.members, *world.foreign]} - {world.target.pk}, where
        assert left[world.members[CHILD].pk][0] == world.target.parent_id, where
        assert left[world.members[GRANDCHILD].pk][0] == world.members[CHILD].pk, where
        assert set(ClassicKey.objects.values_list("holder_id", flat=True)) == set(left), where
