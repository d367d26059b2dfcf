"""How often a bound is honest: ``python -m tests.truth.measure --triples 100000``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass

import mpmath
import numpy as np

from gradcheck.directions import direction
from gradcheck.estimating import FAST_SHARE, best_estimate
from gradcheck.oracles import Ray, noise_level
from gradcheck.result import Local
from tests.truth.functions import FUNCTIONS
from tests.truth.known import DIGITS

RTOL = 1e-7
"""The relative error a check calls a bug; an estimate asked for no more stops early."""


@dataclass(frozen=True)
class Triple:
    """One function at one point in one direction, rebuilt from its name and a seed."""

    function: str
    seed: int
    eager: bool

    def __str__(self):
        return f"Triple({self.function!r}, seed={self.seed}, eager={self.eager})"


@dataclass(frozen=True)
class Outcome:
    """An estimate beside the truth."""

    triple: Triple
    value: float
    error: float
    truth: float
    honest: bool
    local: Local

    @property
    def sharp(self):
        """Whether the bound is below the tolerance of a check: good enough to decide."""
        return self.error <= RTOL * max(abs(self.truth), abs(self.value))

    @property
    def excess(self):
        """How many times its bound the estimate is off."""
        off = abs(self.value - self.truth)
        return off / self.error if self.error > 0 else np.inf


BY_NAME = {known.name: known for known in FUNCTIONS}


def prepare(triple):
    """The ray of a triple and the exact slope along it."""
    known = BY_NAME[triple.function]
    rng = np.random.default_rng(triple.seed)
    x = known.points(rng)
    v = direction(rng, x)
    u = rng.standard_normal(np.shape(known.value(x)))
    ray = Ray(lambda inputs: known.value(inputs["x"]), {"x": x}, {"x": v}, {"out": u})
    with mpmath.workdps(DIGITS):
        return ray, known.slope(x, v, u)


class Noise:
    """What an estimate asks of the point of a check."""

    @staticmethod
    def noise(ray):
        return noise_level(ray.offset)

    @staticmethod
    def is_analytic(names):
        return None

    @staticmethod
    def coarseness(names):
        return 1.0


def run(triple):
    """Estimate as a check does, measured noise included, and compare with the truth."""
    with np.errstate(all="ignore"):
        ray, exact = prepare(triple)
        truth = float(exact)
        target = FAST_SHARE * RTOL * abs(truth) if triple.eager else 0.0
        estimate = best_estimate(Noise, ray, target)
    low, high = estimate.interval()
    unknown = not np.isfinite(estimate.value)
    honest = bool(unknown or low <= exact <= high)
    return Outcome(triple, estimate.value, estimate.error, truth, honest, estimate.local)


def triples(count, first_seed=0):
    """Functions in turn, a new seed for each round, every second round stopping early."""
    for i in range(count):
        turn, which = divmod(i, len(FUNCTIONS))
        yield Triple(FUNCTIONS[which].name, first_seed + turn, turn % 2 == 1)


SHOWN = 3
"""Dishonest bounds shown of each function: the worst."""


def report(outcomes):
    """The honest fraction per function, worst first, and what was dishonest."""
    tried, honest, sharp = Counter(), Counter(), Counter()
    lies = []
    for outcome in outcomes:
        name = outcome.triple.function
        tried[name] += 1
        honest[name] += outcome.honest
        sharp[name] += outcome.sharp
        if not outcome.honest:
            lies.append(outcome)
    for name in sorted(tried, key=lambda name: (honest[name] / tried[name], sharp[name])):
        fraction, decided = honest[name] / tried[name], sharp[name] / tried[name]
        yield f"{name:32} honest {fraction:9.4%} of {tried[name]:6}   sharp {decided:8.2%}"
    total = sum(tried.values())
    yield f"{'all':32} honest {sum(honest.values()) / total:9.4%} of {total:6}"
    shown = Counter()
    for outcome in sorted(lies, key=lambda lie: -lie.excess):
        shown[outcome.triple.function] += 1
        if shown[outcome.triple.function] <= SHOWN:
            yield (
                f"{outcome.triple}: {float(outcome.value)!r} ± {outcome.error:.3g}, truth "
                f"{outcome.truth!r}, {outcome.excess:.3g} times its bound, {outcome.local.name}"
            )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first round")
    parser.add_argument("--only", default="", help="functions whose name contains this")
    options = parser.parse_args(arguments)
    chosen = (
        triple
        for triple in triples(options.triples, options.seed)
        if options.only in triple.function
    )
    for line in report(map(run, chosen)):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
