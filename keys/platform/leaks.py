"""Values of IBM Cloud API keys that were found where they should not be: found in a text, and reported one by one."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from accounts.origin import Origin
from keys import material
from keys.models import LeakedAction, PlatformKey
from keys.platform import lifecycle

_AT_ONCE = 100  # values that are looked for by one query


class TooManyValues(Exception):
    """There are more values in the text than may be reported at once; none was."""


@dataclass(frozen=True)
class Reported:
    """What a report came to: how many different texts had the form of a value, and what was done with the keys."""

    found: int
    actions: Counter[LeakedAction] = field(default_factory=Counter)


def report_all(chunks: Iterable[str], *, source: str, origin: Origin, most: int | None = None) -> Reported:
    """Report everything in a text that has the form of a value; each report is a transaction of its own.

    Args:
        chunks: the text, in parts of any length.
        source: where it was found or who says so, in words, for the event and the mail.
        origin: of the report.
        most: how many values there may be. Raises TooManyValues for more, before the first is reported.
    """
    values = list(dict.fromkeys(_values_in(chunks)))
    if most is not None and len(values) > most:
        raise TooManyValues
    actions: Counter[LeakedAction] = Counter()
    for start in range(0, len(values), _AT_ONCE):
        for value in _of_keys(values[start : start + _AT_ONCE]):
            action = lifecycle.report_leaked(value=value, source=source, origin=origin)
            if action is not None:
                actions[action] += 1
    return Reported(len(values), actions)


def _of_keys(values: Sequence[str]) -> list[str]:
    """Return those of ``values`` that are keys' by now; one query, since most of what strangers send is not."""
    digests = {
        digest: value
        for value in filter(material.is_platform_value, values)
        for _, digest in material.platform_digests(value)
    }
    found = PlatformKey.objects.filter(digest__in=digests).order_by("pk").values_list("digest", flat=True)
    return [digests[bytes(digest)] for digest in found]


def _values_in(chunks: Iterable[str]) -> Iterator[str]:
    """Yield whatever has the form of a value; one that two parts share may come twice.

    Zero bytes are left out: in UTF-16, which Windows writes, there is one beside each letter of a value.
    """
    end = ""
    for chunk in chunks:
        text = end + chunk.replace("\0", "")
        yield from material.platform_values_in(text)
        end = text[-(material.PLATFORM_LENGTH - 1) :]
