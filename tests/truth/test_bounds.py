"""Error bounds hold: a small sample of what ``python -m tests.truth.measure`` measures."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from gradcheck.result import Estimate, Local
from tests.truth import measure
from tests.truth.functions import FUNCTIONS
from tests.truth.known import DIGITS
from tests.truth.measure import Outcome, Triple, report, run

SEEDS = range(1000, 1006)
STEPS = 2.0 ** -np.arange(4.0, 44.0)

GRAINY = {
    "(1 - cos x) / x^2",
    "(exp x - 1) / x",
    "(exp x - exp -x) / 2x",
    "(x - sin x) / x^3",
    "1 - cos x",
    "1 - tanh x",
    "cross-entropy of large logits",
    "float32 inside, 1e4 taken off",
    "log(1 + exp -x)",
    "rounded to 4 decimals",
    "smaller root of a parabola",
    "(x - 1)^6 expanded",
    "float16 inside",
    "log gamma of 1 + 1e-20",
    "sinc at 1e15",
    "staircase",
}
"""No simple difference of these comes near their slope."""

each_function = pytest.mark.parametrize("known", FUNCTIONS, ids=[known.name for known in FUNCTIONS])


def test_there_are_functions_enough_with_names_of_their_own():
    names = [known.name for known in FUNCTIONS]
    assert len(names) >= 40
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "known",
    [known for known in FUNCTIONS if known.name not in GRAINY],
    ids=lambda known: known.name,
)
def test_the_truth_is_true(known):
    """One input at a time, the best of many steps: the truth itself must not be wrong."""
    for seed in range(5):
        x = known.points(np.random.default_rng(seed))
        for i in range(min(3, len(x))):
            v = np.where(np.arange(len(x)) == i, x, 0.0)
            u = np.ones(np.shape(known.value(x)))
            with mpmath.workdps(DIGITS):
                exact = float(known.slope(x, v, u))
            best = np.nanmin(np.abs(_differences(known, x, v) - exact))
            assert best <= 1e-3 * abs(exact) + _grain(known, x), (seed, x, exact)


def _differences(known, x, v):
    with np.errstate(all="ignore"):
        return np.array([
            np.sum(known.value(x + h * v).astype(float) - known.value(x - h * v).astype(float))
            / (2 * h)
            for h in STEPS
        ])  # fmt: skip


def _grain(known, x):
    """What last places of the values, or of what they cancelled from, come to over long steps."""
    shaken = [known.value(x * (1 + k * 2.0**-51)).astype(float) for k in range(-8, 9)]
    return max(np.max(np.abs(known.value(x))) * 2.0**-44, np.max(np.ptp(shaken, axis=0)) * 2.0**6)


@each_function
def test_bounds_hold(known):
    outcomes = [run(Triple(known.name, seed, seed % 2 == 1)) for seed in SEEDS]
    lies = [outcome for outcome in outcomes if not outcome.honest]
    assert not lies, "\n".join(report(lies))


def test_an_overconfident_estimate_is_called_dishonest(monkeypatch):
    def overconfident(_point, ray, _target):
        return Estimate(ray.pair(2.0**-6) / 2.0**-5, 1e-10, "one long step")

    monkeypatch.setattr(measure, "best_estimate", overconfident)
    assert not run(Triple("sin 1000x", 1, eager=False)).honest


def test_the_report_names_the_worst_first():
    lie = Outcome(Triple("sin", 0, False), 2.0, 1e-9, 1.0, False, Local.SMOOTH)
    true = Outcome(Triple("exp", 0, False), 1.0, 1e-9, 1.0, True, Local.SMOOTH)
    lines = list(report([true, lie]))
    assert lines[0].startswith("sin")
    assert lines[-1].startswith("Triple('sin', seed=0")
