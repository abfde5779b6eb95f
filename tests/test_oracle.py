"""The oracle that random histories are compared with says what docs/rules.md says."""

from accounts.enums import Permission
from tests.oracle import Oracle


def test_oracle_is_the_plain_one():
    """Small enough to be read, and to be right: what it says of a chain of three and a branch beside it."""
    oracle = Oracle()
    for member, parent in ((1, 0), (2, 1), (3, 0)):
        oracle.parent[member], oracle.status[member] = parent, "active"
        oracle.granted[member], oracle.own_login[member] = Permission.MANAGE_USERS, False
    assert [oracle.knows_key(1, n) for n in range(4)] == [False, True, True, False]
    assert [oracle.restricts(1, n) for n in range(4)] == [False, False, True, False]
    assert [oracle.may_move(1, n) for n in range(4)] == [True, False, False, True]
    oracle.status[1] = "suspended"
    assert not oracle.knows_key(1, 2)
    assert oracle.knows_key(0, 2)
