"""Multiply a function or its inputs by 1e-12 or 1e12, add 1e8: no verdict flips."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.result import Verdict
from tests.corpus.test_corpus import TWINS
from tests.corpus.twin import bind, inputs_of
from tests.truth.rescaled import scaled, versions

DOUBLE = [
    twin
    for twin in TWINS
    if all(x.dtype != np.float16 for x in inputs_of(twin.generic_point()).values())
]
BOUND_TO_UNITS = {
    "pool-floor-division": "rounds to whole numbers, which is no error beside 1e12",
    "projection-float32": "the dtype of the gradient is wrong, and new units give it another one",
    "logsigmoid-cancels": "a tail of 1e-17, of which nothing is left to see beside 1e8",
}
# A change of units copies the arrays, which cures bugs of memory.
NUMERIC = [twin for twin in DOUBLE if twin.symptom is None and twin.id not in BOUND_TO_UNITS]
each_twin = pytest.mark.parametrize("twin", DOUBLE, ids=[twin.id for twin in DOUBLE])


def verdicts(pair, point):
    """The verdict on every version, each at a seed of its own."""
    bound = bind(pair, point)
    return {
        what: gradcheck.check_vjp(*version, inputs, seed=seed).verdict
        for seed, (what, version, inputs) in enumerate(versions(bound, inputs_of(point)))
    }


@each_twin
def test_a_right_twin_is_right_in_any_units(twin):
    """Beside a large offset nothing may be left to see; that is no mistake."""
    found = verdicts(twin.right(), twin.generic_point())
    assert Verdict.WRONG not in found.values(), found
    assert all("plus" in what for what, verdict in found.items() if not verdict), found


@pytest.mark.parametrize("twin", NUMERIC, ids=[twin.id for twin in NUMERIC])
def test_a_wrong_twin_is_not_right_in_any_units(twin):
    found = verdicts(twin.wrong(), twin.bug_point())
    assert Verdict.CORRECT not in found.values(), found


def test_a_factor_of_three_in_a_gradient_of_1e_minus_12_is_wrong():
    def tripled(out_bar, x):
        return (3 * out_bar * np.cos(x),)

    pair = scaled((np.sin, tripled), 1e-12)
    assert gradcheck.check_vjp(*pair, {"x": np.ones(3)}).verdict is Verdict.WRONG
