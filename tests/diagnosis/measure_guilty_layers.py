"""How often the guilty layer is named: ``python -m tests.diagnosis.measure_guilty_layers 100``."""

from __future__ import annotations

import sys
from collections import Counter

import gradcheck
from gradcheck.result import Verdict
from tests.diagnosis.planted import PLACES, planted


def measure(networks, first_seed=0):
    """What became of so many networks with a bug in each kind of place."""
    counts = Counter()
    for place in PLACES:
        for seed in range(first_seed, first_seed + networks):
            subject, inputs, guilty = planted(seed, place)
            result = gradcheck.check(subject, inputs)
            counts[place, outcome(result, guilty)] += 1
    return counts


def outcome(result, guilty):
    """Whether the right part was named; a bug without effect at this point has no culprit."""
    if result.verdict is not Verdict.WRONG:
        return f"not wrong here ({result.verdict.name})"
    return (
        "right" if result.guilty_layer == guilty else f"said {result.guilty_layer or 'nothing'!r}"
    )


if __name__ == "__main__":
    counted = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    for (place, what), number in sorted(counted.items()):
        sys.stdout.write(f"{place:10} {what:32} {number}\n")
    told = sum(number for (_, what), number in counted.items() if not what.startswith("not wrong"))
    right = sum(number for (_, what), number in counted.items() if what == "right")
    sys.stdout.write(f"right: {right} of {told} = {100 * right / told:.1f} %\n")
