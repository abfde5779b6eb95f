"""Object masks: which properties and relations a caller wants to see. Knows the grammar, not what there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mask:
    """The names asked for on one level, each with what is asked for below it.

    Attributes:
        names: in the order asked for; empty for "everything local".
        is_additive: whether all local properties are wanted besides ``names`` (the old form of masks says so).
    """

    names: Mapping[str, "Mask"] = field(default_factory=dict)
    is_additive: bool = False
