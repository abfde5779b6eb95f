"""The plainest oracle there can be: who may do what in a tree, as a dict of parents and a few dicts beside it."""


class Oracle:
    """The rules, over numbers: member 0 is the owner."""

    def __init__(self) -> None:
        self.parent: dict[int, int | None] = {0: None}
        self.status, self.granted, self.own_login = {0: "active"}, {0: 0}, {0: False}
        self.creator: dict[int, int | None] = {}  # of the keys there are, by holder
        self.list_is_restricted = False
        self.frozen: set[int] = set()  # the roots of frozen branches

    def is_frozen(self, member: int) -> bool:
        return member in self.frozen or any(self.is_above(root, member) for root in self.frozen)

    def is_above(self, one: int, other: int) -> bool:
        above = self.parent[other]
        return above is not None and (above == one or self.is_above(one, above))

    def works(self, actor: int) -> bool:
        return self.status[actor] in ("active", "disabled_classic") and not self.is_frozen(actor)

    def knows_key(self, actor: int, holder: int) -> bool:
        return self.works(actor) and (actor == holder or self.is_above(actor, holder))

    def sees(self, actor: int, target: int) -> bool:
        return self.works(actor) and (not self.list_is_restricted or actor == 0 or self.knows_key(actor, target))

    def restricts(self, actor: int, target: int) -> bool:
        if not self.sees(actor, target):
            return False
        if actor == 0 or (actor == target and self.own_login[actor]):
            return True
        if target in (actor, 0):
            return False
        return bool(self.granted[actor] & 6) or bool(self.granted[actor] & 1 and self.is_above(actor, target))

    def creates(self, actor: int, holder: int) -> bool:
        if actor == holder:
            return self.status[actor] == "active" and self.works(actor)
        manages = actor == 0 or self.granted[actor] & 1
        return bool(self.status[holder] == "vpn_only" and self.knows_key(actor, holder) and manages)

    def loses_key(self, holder: int, status: str) -> bool:
        """Whether the holder's key, which another created, goes with a change to this status."""
        is_anothers = holder in self.creator and self.creator[holder] != holder
        return is_anothers and status in ("active", "disabled_classic") and status != self.status[holder]

    def may_move(self, member: int, parent: int) -> bool:
        return member not in (0, parent) and not self.is_above(member, parent)

    def manages(self, actor: int, target: int) -> bool:
        """Whether the target's place in the account is the actor's to decide."""
        return target not in (actor, 0) and self.restricts(actor, target)

    def freezes(self, actor: int, target: int) -> bool:
        return self.manages(actor, target) and not self.is_above(target, actor)

    def is_invited(self, member: int) -> bool:
        return self.status[member] in ("pending", "processing")

    def brings_in(self, actor: int) -> bool:
        return self.works(actor) and bool(actor == 0 or self.granted[actor] & 7)

    def removes(self, actor: int, target: int) -> bool:
        if self.is_invited(target):
            return False
        if actor == target:
            return actor != 0 and self.works(actor)
        reaches = actor == 0 or self.granted[actor] & 4 or (self.granted[actor] & 1 and self.is_above(actor, target))
        return bool(self.manages(actor, target) and reaches)

    def places(self, actor: int, member: int, parent: int) -> bool:
        """Whether the actor may choose this parent for a member whom they manage."""
        if self.status[parent] not in ("active", "disabled_classic") or not self.may_move(member, parent):
            return False
        if self.is_frozen(parent) and not self.is_frozen(member):
            return False
        if self.is_above(actor, member):
            return self.knows_key(actor, parent)
        # No permission gives sight of a key, to whomever: with a role of User management, people move up alone.
        return bool(self.granted[actor] & 6 and self.sees(actor, parent) and self.is_above(parent, member))

    def forget(self, member: int) -> None:
        """Somebody left: those directly below move up, and keys that they made for others have no creator."""
        for other, parent in self.parent.items():
            if parent == member:
                self.parent[other] = self.parent[member]
        self.creator.pop(member, None)
        self.frozen.discard(member)
        self.creator = {holder: None if by == member else by for holder, by in self.creator.items()}
        for facts in (self.parent, self.status, self.granted, self.own_login):
            del facts[member]
