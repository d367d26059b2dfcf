"""Which bugs one honest line finds: ``python -m tests.corpus.reach --seeds 20``."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np

import gradcheck
from gradcheck import strategies
from gradcheck.errors import GradientMismatch
from tests.corpus.test_corpus import ALARMS, TWINS


@dataclass(frozen=True)
class Found:
    """What became of one property test."""

    found: bool
    entries: int = 0
    diagnosis: str = ""
    message: str = ""
    seconds: float = 0.0


def line(pair, arguments, seed):
    """The line a user writes."""
    given = dict(arguments(strategies))
    axes = given.pop("axes", None)
    return gradcheck.vjp_test(*pair, axes=axes, seed=seed, arguments=given)


def run(pair, arguments, seed):
    """Run the line; tell whether it failed, how small the case became, and the diagnosis."""
    started = time.process_time()
    try:
        line(pair, arguments, seed)()
    except GradientMismatch as failure:
        result = failure.result
        entries = sum(int(np.prod(shape)) for shape in result.shapes.values())
        named = result.diagnoses[0].name if result.diagnoses else ""
        spent = time.process_time() - started
        message = "\n".join(str(one) for one in getattr(failure, "exceptions", (failure,)))
        return Found(True, entries, named, message, spent)
    except Exception as error:
        spent = time.process_time() - started
        return Found(True, 0, "", f"{type(error).__name__}: {error}", spent)
    return Found(False, seconds=time.process_time() - started)


def wrong_twins(twins, seeds):
    """One line per wrong twin: how often it is found, how small, and its diagnosis."""
    sizes, named = [], []
    for twin in twins:
        runs = [run(twin.wrong(), twin.arguments, seed) for seed in seeds]
        hits = [one for one in runs if one.found]
        right_name = sum(one.diagnosis in twin.diagnosis for one in hits)
        size = statistics.median([one.entries for one in hits] or [0])
        sizes += [one.entries for one in hits]
        named += [one.diagnosis in twin.diagnosis for one in hits]
        cost = statistics.mean(one.seconds for one in runs)
        names = ", ".join(sorted({one.diagnosis or "none" for one in hits}))
        yield (
            f"{twin.id:22} found {len(hits):2} of {len(runs)}   entries {size:4}   "
            f"{cost:5.2f} s   diagnosis right {right_name:2}: {names}"
        )
    yield f"median entries {statistics.median(sizes)}, diagnosis right {np.mean(named):.1%}"


def right_twins(items, seeds):
    """Every right twin that a line calls wrong, or vacuous."""
    runs = failures = 0
    spent = 0.0
    for name, pair, arguments in items:
        for seed in seeds:
            one = run(pair(), arguments, seed)
            runs, failures, spent = runs + 1, failures + one.found, spent + one.seconds
            if one.found:
                yield f"{name}, seed {seed}: {one.message}\n"
    yield f"{failures} of {runs} lines over right twins fail, {spent:.0f} s"


def right_items(only=""):
    """Everything right: the right twins, and the code that was accused."""
    twins = [(twin.id, twin.right, twin.arguments) for twin in TWINS]
    alarms = [
        (alarm.id, lambda alarm=alarm: (alarm.forward, alarm.backward), alarm.arguments)
        for alarm in ALARMS
    ]
    return [item for item in (*twins, *alarms) if only in item[0]]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="twins whose id contains this")
    parser.add_argument("--side", choices=["wrong", "right"])
    options = parser.parse_args(arguments)
    seeds = range(options.seeds)
    if options.side != "right":
        for text in wrong_twins([twin for twin in TWINS if options.only in twin.id], seeds):
            sys.stdout.write(text + "\n")
    if options.side != "wrong":
        for text in right_twins(right_items(options.only), seeds):
            sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
