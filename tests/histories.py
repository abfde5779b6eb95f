"""How random histories are tried: so many of a machine, on each database."""

from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def try_out(machine: type[RuleBasedStateMachine], *, on_sqlite: int, elsewhere: int) -> None:
    """Let so many random histories of a machine happen; one that goes wrong fails the test."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            # The oracle is the same on both; a second database shows what its statements do otherwise.
            max_examples=on_sqlite if connection.vendor == "sqlite" else elsewhere,
            stateful_step_count=25,
            deadline=None,
            # Not shrunk: that takes minutes, and twenty-five steps are read in one.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
