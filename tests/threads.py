"""Real threads for tests of races: each with its own connection to the database, all let go at the same moment."""

from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any

from django.db import connection, connections


def _wait_patiently() -> None:
    """Lift this thread's limits on waiting: on a busy machine they would end a race instead of its rules."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '60s'")
            cursor.execute("SET statement_timeout = '60s'")


def at_once(*calls: Callable[[], Any], rounds: int = 1) -> list[list[Any]]:
    """What each call returned or raised, a list for each round; a round begins when all threads are ready for it."""
    barrier = Barrier(len(calls))
    answers: list[list[Any]] = [[None] * len(calls) for _ in range(rounds)]

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            _wait_patiently()
            for answer in answers:
                barrier.wait(timeout=60)
                try:
                    answer[place] = call()
                except Exception as error:  # noqa: BLE001 - for the test to judge
                    answer[place] = error
        except BaseException:
            barrier.abort()
            raise
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def errors(answers: Sequence[Any]) -> list[Exception]:
    """Those of the answers that are exceptions."""
    return [answer for answer in answers if isinstance(answer, Exception)]
