"""What becomes of a policy's refusal: an event, as on pages, and a fault with the reason."""

from functools import partial

from keys import callers
from keys.api.faults import Denied

refusals_recorded = partial(callers.refusals_recorded, denied=Denied)
