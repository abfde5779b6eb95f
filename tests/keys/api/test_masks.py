"""Object masks: every form that clients send is read, nothing else is, and whatever is sent is answered soon."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.api import masks
from keys.api.faults import BadCall
from keys.api.masks import MOST_CHARACTERS, MOST_LEAVES, MOST_LEVELS, Mask, parse

pytestmark = pytest.mark.sqlite_only

Names = Mapping[str, "Names"]


def tree(mask: Mask | None) -> Any:
    """A mask as plain dictionaries; what keeps all local properties besides has them under a star."""
    if mask is None:
        return None
    return {name: tree(below) for name, below in mask.names.items()} | ({"*": {}} if mask.is_additive else {})


USER_LIST = """mask[id, username, displayName, userStatus[name], hardwareCount,
    virtualGuestCount, email, roles, externalBindingCount,apiAuthenticationKeyCount, sslVpnAllowedFlag]"""

#: What clients were seen to send, or show in their documentation, and what it means.
SENT = [
    (USER_LIST, {
        "id": {}, "username": {}, "displayName": {}, "userStatus": {"name": {}}, "hardwareCount": {},
        "virtualGuestCount": {}, "email": {}, "roles": {}, "externalBindingCount": {}, "apiAuthenticationKeyCount": {},
        "sslVpnAllowedFlag": {},
    }),
    (
        "mask[userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], unsuccessfulLogins, "
        "successfulLogins]",
        {
            "userStatus": {"name": {}}, "parent": {"id": {}, "username": {}},
            "apiAuthenticationKeys": {"authenticationKey": {}}, "unsuccessfulLogins": {}, "successfulLogins": {},
        },
    ),
    ("mask[id, apiAuthenticationKeys]", {"id": {}, "apiAuthenticationKeys": {}}),
    ("mask.id,mask.userStatus.name", {"id": {}, "userStatus": {"name": {}}}),
    ("mask[id,userStatus.name]", {"id": {}, "userStatus": {"name": {}}}),
    ("[mask[id],mask.username]", {"id": {}, "username": {}}),
    ("[mask.id,mask.parent.username,mask.parent.userStatus]", {"id": {}, "parent": {"username": {}, "userStatus": {}}}),
    ("id", {"id": {}}),
    ("id,username", {"id": {}, "username": {}}),
    ("id;userStatus.name", {"id": {}, "userStatus": {"name": {}}}),
    ("[id,username]", {"id": {}, "username": {}}),
    ("filteredMask[id,userStatus[name]]", {"id": {}, "userStatus": {"name": {}}}),
    ("filterMask.id", {"id": {}}),
    ("mask(SoftLayer_User_Customer)[id]", {"id": {}}),
    ("mask(SoftLayer_Hardware_Server).controlPanel", {"controlPanel": {}}),
    (
        "mask\n[\n resource(SoftLayer_Hardware)\n [\n id,\n datacenter.longName\n ],\n"
        " resource(SoftLayer_Virtual_Guest)\n [\n id,\n billing\n ]\n]",
        {"resource": {"id": {}, "datacenter": {"longName": {}}, "billing": {}}},
    ),
    ("mask \n[\n    id , networkComponents [\n  a,b\n ]\n]", {"id": {}, "networkComponents": {"a": {}, "b": {}}}),
    ("mask[parent(SoftLayer_User_Customer)[id]]", {"parent": {"id": {}}}),
    ("mask[parent( SoftLayer_User_Customer ).id]", {"parent": {"id": {}}}),
    ("mask.parent.userStatus[name]", {"parent": {"userStatus": {"name": {}}}}),
    ("mask.parent[userStatus[name],id]", {"parent": {"userStatus": {"name": {}}, "id": {}}}),
    ("mask[id,]", {"id": {}}),
    ("mask[,id,,username,]", {"id": {}, "username": {}}),
    ("\t mask . id\r\n", {"id": {}}),
    ("mask[parent.mask]", {"parent": {"mask": {}}}),
    ("masked", {"masked": {}}),
    # Nothing in particular.
    ("mask[]", None),
    ("mask", None),
    ("mask[ ]", None),
    ("[mask]", None),
    ("filteredMask[]", None),
    ("", None),
    (" \n", None),
    # The same name twice is asked for together; a relation alone means all that is local.
    ("id,id", {"id": {}}),
    ("mask.parent.id,mask.parent.id", {"parent": {"id": {}}}),
    ("mask[parent,parent[id]]", {"parent": {"id": {}, "*": {}}}),
    ("mask[parent[id],parent]", {"parent": {"id": {}, "*": {}}}),
    ("mask[parent[],parent[id]]", {"parent": {"id": {}, "*": {}}}),
    ("[mask,mask.parent]", {"parent": {}, "*": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), SENT, ids=range(len(SENT)))
def test_forms_of_clients_are_read(text: str, names: Names | None) -> None:
    assert tree(parse(text)) == names


def test_names_keep_their_order() -> None:
    assert list(parse("mask[c,a[z,y],b]").names) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "mask[id", "mask[id]]", "mask]", "[", "]", "[[]", "mask[id]id", "mask[id].name", "mask[id][name]", "mask id",
        "mask[id name]", "mask.", ".id", "mask..id", "mask.[id]", "id.", "id.,a", "mask[a.]", "mask[(X)]", "(X)",
        "mask(X", "mask()", "mask(X)(Y)", "mask(X Y)", "mask(X)id", "a[(X)b]", "mask[1]", "mask[a-b]", "mask[\0]",
        "mask{id}", "mask[id]x", "é", "mask[*]", "a\ud800", "mask[id]]]", "%00", "mask[a'b]", "a:b", "mask[a[b]",
    ],
)  # fmt: skip
def test_what_is_no_mask_is_refused(text: str) -> None:
    with pytest.raises(BadCall) as caught:
        parse(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


STRUCTS = [
    ({"apiAuthenticationKeys": {}}, {"*": {}, "apiAuthenticationKeys": {}}),
    ({"id": "", "userStatus": None}, {"*": {}, "id": {}, "userStatus": {}}),
    ({"domains": {"resourceRecords": []}, "userCount": []}, {"*": {}, "domains": {"*": {}, "resourceRecords": {}},
                                                             "userCount": {}}),
    ({"parent": {"parent": {"id": {}}}}, {"*": {}, "parent": {"*": {}, "parent": {"*": {}, "id": {}}}}),
    ({}, None),
]  # fmt: skip


@pytest.mark.parametrize(("struct", "names"), STRUCTS)
def test_the_old_form_keeps_all_local_properties(struct: Mapping[str, Any], names: Names | None) -> None:
    assert tree(parse(struct)) == names


@pytest.mark.parametrize(
    "struct",
    [
        {"id": "x"}, {"id": 1}, {"id": 0}, {"id": False}, {"id": True}, {"id": ["x"]}, {"id": {"a": 1}}, {"": {}},
        {"a.b": {}}, {"a b": {}}, {"\0": {}}, {"é": {}}, {"mask[id]": {}},
    ],
)  # fmt: skip
def test_what_is_no_struct_of_structs_is_refused(struct: Mapping[str, Any]) -> None:
    with pytest.raises(BadCall):
        parse(struct)


def test_no_mask_is_none() -> None:
    assert parse(None) is None


# --- Bounds -----------------------------------------------------------------------------------------------------------


def nested(levels: int) -> dict[str, Any]:
    below: dict[str, Any] = {}
    for _ in range(levels):
        below = {"a": below}
    return below


def test_depth_is_bounded_in_every_form() -> None:
    deepest = nested(MOST_LEVELS)
    assert tree(parse("mask." + ".".join("a" * MOST_LEVELS))) == deepest
    assert tree(parse("mask" + "[a" * MOST_LEVELS + "]" * MOST_LEVELS)) == deepest
    assert parse(deepest)
    for asked in (
        "mask." + ".".join("a" * (MOST_LEVELS + 1)),
        "mask" + "[a" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1),
        "a[" * 4_000,
        "a." * 4_000,
        nested(MOST_LEVELS + 1),
        nested(100_000),
    ):
        with pytest.raises(BadCall, match="too deep"):
            parse(asked)


def test_number_of_names_is_bounded_in_every_form() -> None:
    names = [f"n{number}" for number in range(MOST_LEAVES + 1)]
    most = names[:-1]
    assert len(parse(",".join(most)).names) == len(parse({name: {} for name in most}).names) == MOST_LEAVES
    assert parse(f"parent[{','.join(most)}]")
    for asked in (
        ",".join(names),
        f"mask[a,parent[{','.join(most)}]]",
        {name: {} for name in names},
        {"parent": {name: {} for name in most}, "a": {}},
        {name: {below: {} for below in most} for name in most},
    ):
        with pytest.raises(BadCall, match="too much"):
            parse(asked)


def test_length_is_bounded() -> None:
    assert tree(parse("id" + " " * (MOST_CHARACTERS - 2))) == {"id": {}}
    for text in ("id" + " " * MOST_CHARACTERS, "a" * 10_000_000, "[" * 10_000_000):
        with pytest.raises(BadCall, match="too long"):
            parse(text)


@pytest.mark.parametrize(
    "text", [" " * 9_999 + "!", "(" + "a" * 9_000, "a(" + " " * 9_000, "[" * 10_000, "]" * 10_000, "mask[" * 2_000,
             "," * 10_000, "a" * 10_000 + "!", "mask" + "()" * 4_000, "mask[mask" * 1_000 + "]" * 1_000],
)  # fmt: skip
def test_texts_that_could_take_long_do_not(text: str) -> None:
    """They would if white space or names were tried again from each character."""
    with pytest.raises(BadCall):
        parse(text[:MOST_CHARACTERS] + "!")


# --- Any tree in any form ---------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["id", "username", "userStatus", "parent", "a1", "_b", "Mask", "filteredmask"])
TREES = st.recursive(st.just({}), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=12).filter(
    lambda names: depth(names) <= MOST_LEVELS
)


def depth(names: Names) -> int:
    return 1 + max(map(depth, names.values())) if names else 0


@st.composite
def written(draw: st.DrawFn, names: Names, prefix: str = "") -> str:
    """A mask's text with these names, in any mixture of forms."""
    space = st.sampled_from(["", "", " ", "\n\t", "\u00a0"])
    items = []
    for name, below in names.items():
        hint = draw(st.sampled_from(["", "", "(SoftLayer_X)", " ( Y )"]))
        start = f"{draw(space)}{prefix}{name}{hint}{draw(space)}"
        if not below:
            items.append(start + draw(st.sampled_from(["", "", "[]"])))
        elif draw(st.booleans()):
            items.append(f"{start}[{draw(written(below))}]")
        else:
            items.append(draw(written(below, f"{start}.")))
    return draw(st.sampled_from([",", ";", " , "])).join(items) + draw(st.sampled_from(["", "", ","]))


@given(TREES.filter(bool), st.data())
def test_any_names_in_any_form_are_read(names: Names, data: st.DataObject) -> None:
    root = data.draw(st.sampled_from(["", "mask", "mask.", "filteredMask", "[mask."]))
    if root in {"mask", "filteredMask"}:
        text = f"{root}[{data.draw(written(names))}]"
    else:
        text = data.draw(written(names, root.strip("["))) + "]" * root.startswith("[")
        text = f"[{text}" if root.startswith("[") else text
    assert tree(parse(text)) == names


# --- Fuzz: 50,000 texts in each run -----------------------------------------------------------------------------------

PIECES = [
    *"[].,;() \n\0{}\"'<&", "mask", "mask[", "mask.", "id", "parent", "(X)", "[[", "]]", "..", "\u00a0", "é", "\ud800",
    "userStatus[name]", "a." * 9, "filteredMask", "[]",
]  # fmt: skip


def mutated(chance: random.Random) -> str:
    text = chance.choice(SENT)[0]
    for _ in range(chance.randrange(1, 5)):
        here = chance.randrange(len(text) + 1)
        text = text[:here] + chance.choice(PIECES) + text[here + chance.randrange(3) :]
    return text


def test_random_texts_are_masks_or_refused() -> None:
    chance = random.Random(20_261_129)
    read = 0
    for _ in range(50_000):
        text = mutated(chance)
        try:
            mask = parse(text)
        except BadCall as fault:
            assert str(fault).isprintable(), text
            continue
        read += 1
        if mask is not None:
            assert depth(tree(mask)) <= MOST_LEVELS, text
            assert text.count("[") == text.count("]"), text
            assert all(map(masks._NAME_ALONE.fullmatch, mask.names)), text
    assert 3_000 < read < 45_000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)


@given(st.text(alphabet="mask[].,;() \nid", max_size=60) | st.text(max_size=60) | st.dictionaries(NAMES, ANYTHING))
def test_anything_is_a_mask_or_refused(asked: str | Mapping[str, Any]) -> None:
    try:
        mask = parse(asked)
    except BadCall:
        return
    assert mask is None or (mask.names and depth(tree(mask)) <= MOST_LEVELS)
