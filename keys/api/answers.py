"""Answers calls: finds the method, asks it, and puts its result into the form that was asked for."""

from keys.api.calls import Answer, Call, Caller
from keys.api.faults import Fault


def answer(call: Call, caller: Caller) -> Answer:
    """Return the result of ``call`` for ``caller``. Raises Fault."""
    raise Fault("Service does not exist")
