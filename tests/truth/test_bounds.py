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

ONCE_DISHONEST = (
    # Powers of entries far smaller than the steps: their slope shows at the finest rungs only.
    Triple("sum of powers of three scales", 200025, True),
    Triple("sum of powers of three scales", 200432, False),
    Triple("sum of powers of three scales", 200470, False),
    Triple("sum of powers of three scales", 600069, True),
    Triple("sum of powers of three scales", 600088, False),
    Triple("|x|^1.9", 200284, False),
    # A corner of the slope inside the steps.
    Triple("Huber near its corner", 200065, True),
    Triple("Huber near its corner", 600279, True),
    Triple("Huber near its corner", 600343, True),
    # Outputs that move by grains of what they cancelled from, and at long steps only.
    Triple("smaller root of a parabola", 200317, True),
    Triple("smaller root of a parabola", 200532, False),
    Triple("smaller root of a parabola", 600085, True),
    Triple("float32 inside, beside a sine", 600061, True),
    # Steps that happen to move the function by whole grains.
    Triple("rounded to 9 decimals", 600093, True),
    Triple("rounded to 12 decimals", 600173, True),
    # Fine steps at which a part of the function stands still, and structure above them.
    Triple("float32 inside, beside a sine", 200114, False),
    Triple("float32 inside, beside a sine", 200242, False),
    Triple("float32 running mean", 600203, True),
    Triple("sigmoid 1e6 (x - 1)", 600156, False),
    Triple("(1 - cos x) / x^2", 1002, False),
)

AS_SHARP_AS_BEFORE = (
    Triple("sum of powers of three scales", 200025, True),
    Triple("Huber near its corner", 200065, True),
    Triple("|x|^1.9", 200284, False),
    # Noise that comes in multiples of a grain moves both sides alike: its bends are zeros.
    Triple("log(1 + x)", 200001, True),
    Triple("log(1 + x)", 200018, False),
    Triple("1 - tanh x", 200005, True),
    Triple("fifty Euler steps", 200137, True),
    Triple("tanh saturated", 200033, True),
    Triple("log gamma of 1 + 1e-20", 200035, True),
    # A few last places at the longest step are no sudden fall.
    Triple("table of 97", 200077, True),
)

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


@pytest.mark.parametrize("triple", ONCE_DISHONEST, ids=str)
def test_a_bound_holds_where_it_once_did_not(triple):
    outcome = run(triple)
    assert outcome.honest, "\n".join(report([outcome]))


@pytest.mark.parametrize("triple", AS_SHARP_AS_BEFORE, ids=str)
def test_structure_and_grains_that_are_not_there_make_no_bound_blunt(triple):
    outcome = run(triple)
    assert outcome.honest
    assert outcome.sharp, outcome.error


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
