"""How often right code with kinks is called wrong: ``python -m tests.truth.measure_networks``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import gradcheck
from gradcheck.result import Verdict
from tests.truth.right_networks import KINDS, build


def judge(case, kinks=None):
    """The verdict on a right case, at its own seed."""
    return gradcheck.check_vjp(
        case.forward, case.backward, case.inputs, seed=case.seed, kinks=kinks or case.kinks
    )


def reproduction(case, kinks=None):
    """A line that runs the same check again."""
    return (
        f"judge(build({case.kind!r}, {case.seed}), {kinks or case.kinks!r})  "
        f"# tests.truth.measure_networks, {case.title}"
    )


def _verdict(case, kinks):
    """The verdict's name, or that of the error that came instead of one."""
    try:
        return judge(case, kinks).verdict.name
    except Exception as error:  # one crash must not end a run of ten thousand
        return type(error).__name__


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="half networks, half functions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinks", choices=["strict", "lenient"], help="instead of each case's own")
    options = parser.parse_args(arguments)
    counts = {kind: Counter() for kind in KINDS}
    for seed in range(options.seed, options.seed + options.cases // len(KINDS)):
        for kind in KINDS:
            case = build(kind, seed)
            verdict = _verdict(case, options.kinks)
            counts[kind][verdict] += 1
            if verdict != Verdict.CORRECT.name:
                sys.stdout.write(f"{verdict:12} {reproduction(case, options.kinks)}\n")
    for kind, counter in counts.items():
        shares = ", ".join(f"{count} {verdict}" for verdict, count in counter.most_common())
        sys.stdout.write(f"{kind}: {shares}\n")


if __name__ == "__main__":
    main()
