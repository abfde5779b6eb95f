"""Times, and how they are compared: candidates take turns in one run, and medians count."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Seconds of CPU and seconds by the clock that one operation took.
Sample = tuple[float, float]


@dataclass(frozen=True)
class Median:
    """The medians of many operations, in seconds."""

    cpu: float
    elapsed: float


def timed(work: Callable[[], object], *, times: int, block: int = 1) -> list[Sample]:
    """Do ``work`` as many times in each of some blocks, and return what one operation took in each block.

    Blocks are for what is too quick for a clock, and for what happens beside the operations now and then.
    """
    samples = []
    for _ in range(times):
        cpu, elapsed = time.process_time(), time.perf_counter()
        for _ in range(block):
            work()
        samples.append(((time.process_time() - cpu) / block, (time.perf_counter() - elapsed) / block))
    return samples


def taking_turns(candidates: Mapping[str, Callable[[], Sequence[Sample]]], *, rounds: int) -> dict[str, Median]:
    """Let each candidate run once a round, beginning with another one each time, and return their medians.

    What disturbs the machine for a while disturbs all of them. A round before the first warms up and does not count.
    """
    names = list(candidates)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds + 1):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            found = candidates[name]()
            if number:
                samples[name].extend(found)
    return {name: _median(found) for name, found in samples.items()}


def _median(samples: Sequence[Sample]) -> Median:
    return Median(statistics.median(cpu for cpu, _ in samples), statistics.median(elapsed for _, elapsed in samples))
