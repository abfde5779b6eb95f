"""The shapes of generated trees: the number of each member's parent, in the order in which members join.

The owner is number 0 and has parent -1. Parents come before their children.
"""

import enum
from array import array
from collections.abc import Callable
from random import Random

from accounts.models.member import MAX_DEPTH

#: The number of each member's parent: an array, so that a million need only a few megabytes.
Parents = array

_OWNER = -1
_COMPANY_LEVELS = 12
# Of a realistic tree: the share of members invited by somebody who has invited before, in proportion to how many, and
# the share of members who may invite.
_SAME_INVITER, _INVITERS = 0.7, 1 / 9


class Shape(enum.StrEnum):
    """The shapes that a tree can have."""

    RANDOM = "random"  # each below a random earlier member: some 30 levels at a hundred thousand
    CHAIN = "chain"  # each below the one before, in chains as deep as a tree may be
    STAR = "star"  # everybody below the owner
    REALISTIC = "realistic"  # few invite, some of them very many; at most a dozen levels


def parents_of(shape: Shape, members: int, seed: int) -> "Parents[int]":
    """Return the parents of a tree of this size. The same arguments give the same tree."""
    return _GROWTH[shape](members, Random(f"{seed} tree"))  # noqa: S311 - no secret


def _random(members: int, rng: Random) -> "Parents[int]":
    parents, levels = array("l", [_OWNER]), array("H", [1])
    for index in range(1, members):
        parent = rng.randrange(index)
        while levels[parent] == MAX_DEPTH:  # improbable, but possible
            parent = parents[parent]
        parents.append(parent)
        levels.append(levels[parent] + 1)
    return parents


def _chain(members: int, rng: Random) -> "Parents[int]":
    links = MAX_DEPTH - 1  # of a chain below the owner
    return array("l", [_OWNER, *(0 if (index - 1) % links == 0 else index - 1 for index in range(1, members))])


def _star(members: int, rng: Random) -> "Parents[int]":
    return array("l", [_OWNER]) + array("l", [0]) * (members - 1)


def _realistic(members: int, rng: Random) -> "Parents[int]":
    """Let those who have invited most invite most of the others.

    As in real accounts, a few people then have thousands below them, and many have two or three.
    """
    parents, levels, inviters = array("l", [_OWNER]), array("H", [1]), array("l", [0])
    for index in range(1, members):
        same = index > 1 and rng.random() < _SAME_INVITER
        parent = parents[rng.randrange(1, index)] if same else rng.choice(inviters)
        parents.append(parent)
        levels.append(levels[parent] + 1)
        if levels[index] < _COMPANY_LEVELS and rng.random() < _INVITERS:
            inviters.append(index)
    return parents


_GROWTH: dict[Shape, Callable[[int, Random], "Parents[int]"]] = {
    Shape.RANDOM: _random,
    Shape.CHAIN: _chain,
    Shape.STAR: _star,
    Shape.REALISTIC: _realistic,
}
