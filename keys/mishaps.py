"""What becomes of a call of an interface for programs when Keytree itself fails: what it says, and what is logged."""

import logging

from django.db import InterfaceError, OperationalError

from accounts.origin import Origin
from keys import verification

#: What is raised where the database does not answer.
AWAY = (verification.Unavailable, OperationalError, InterfaceError)
#: What is said then, and the seconds after which the database may be there again.
AWAY_TEXT = "Keytree cannot reach its database at the moment. Try again in a few seconds."
RETRY_AFTER = 5


def went_wrong(origin: Origin) -> str:
    """Return what is said of an error that nobody expected; whoever runs Keytree finds it by the id."""
    return f"Something went wrong in Keytree. Its log has it under {origin.request_id}."


def log(logger: logging.Logger, what: str, error: Exception, *, is_answer: bool) -> None:
    """Log that a call failed, in full if nobody expected the error, by its kind if the database is away.

    Args:
        logger: of the interface.
        what: the answer's code, and the call.
        error: what was raised.
        is_answer: whether the error is an answer of the interface to what came.
    """
    if is_answer:
        logger.warning("%s", what)
    elif isinstance(error, AWAY):
        logger.error("%s: %s", what, type(error.__cause__ or error).__name__)
    else:
        logger.error("%s", what, exc_info=error)
