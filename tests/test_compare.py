"""Judging: the limit, the estimate's own error, kinks and numbers that are none."""

import math

import numpy as np
import pytest

from gradcheck.compare import claimed_slope, compare, default_rtol, judge
from gradcheck.result import Estimate, Local, Verdict

CORRECT, WRONG, INCONCLUSIVE = Verdict.CORRECT, Verdict.WRONG, Verdict.INCONCLUSIVE


def estimate(value, error, local=Local.SMOOTH, **sides):
    return Estimate(value, error, "central differences", local, **sides)


@pytest.mark.parametrize(
    ("claimed", "error", "verdict"),
    [
        (1.0, 1e-10, CORRECT),
        (1.0 + 0.99e-7, 1e-10, CORRECT),
        (1.0 + 1.02e-7, 1e-10, WRONG),
        (1.0, 1e-3, INCONCLUSIVE),  # right, but nobody could have seen otherwise
        (1.5, 1e-3, WRONG),  # far beyond a blunt bound is wrong all the same
        (1.0005, 1e-3, INCONCLUSIVE),
        (0.0, 1e-10, WRONG),
        (-1.0, 1e-10, WRONG),
    ],
)
def test_claims_beside_one(claimed, error, verdict):
    assert judge(claimed, estimate(1.0, error), rtol=1e-7)[0] is verdict


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1.0, 1e12, 1e300])
def test_judging_has_no_absolute_scale(scale):
    near, far = estimate(scale, 1e-10 * scale), estimate(scale, 1e-10 * scale)
    assert judge(scale * (1 + 0.9e-7), near, rtol=1e-7)[0] is CORRECT
    assert judge(scale * (1 + 1.2e-7), far, rtol=1e-7)[0] is WRONG


def test_a_sharp_estimate_decides_beside_a_larger_gradient():
    blunt = estimate(0.0, 1e-12)
    assert judge(1e-17, blunt, rtol=1e-7)[0] is INCONCLUSIVE
    assert judge(1e-17, blunt, rtol=1e-7, negligible=1e-7)[0] is CORRECT


def test_rounding_of_the_claim_is_no_bug():
    sharp = estimate(1e-12, 1e-22)
    assert judge(1e-12 + 1e-16, sharp, rtol=1e-7)[0] is WRONG
    assert judge(1e-12 + 1e-16, sharp, rtol=1e-7, slack=2e-16)[0] is CORRECT


def test_an_estimate_sharper_than_the_claims_arithmetic_may_confirm_but_not_accuse():
    sharp = Estimate(1.0, 1e-12, "complex step", doubt=1e-3)
    assert judge(1.0, sharp, rtol=1e-7)[0] is CORRECT
    assert judge(1.0001, sharp, rtol=1e-7)[0] is INCONCLUSIVE
    assert judge(1.01, sharp, rtol=1e-7)[0] is WRONG


KINK = estimate(0.5, 0.5, Local.KINK, left=0.0, right=1.0, one_sided_error=1e-9)


@pytest.mark.parametrize(
    ("claimed", "verdict"),
    [(0.0, CORRECT), (0.3, CORRECT), (1.0, CORRECT), (-0.01, WRONG), (1.01, WRONG)],
)
def test_a_claim_at_a_kink_lies_between_the_one_sided_slopes(claimed, verdict):
    assert judge(claimed, KINK, rtol=1e-7)[0] is verdict


@pytest.mark.parametrize("claimed", [math.nan, math.inf, -math.inf])
def test_a_claim_that_is_no_number_is_wrong_where_the_slope_is_one(claimed):
    assert judge(claimed, estimate(1.0, 1e-10), rtol=1e-7)[0] is WRONG
    assert judge(claimed, KINK, rtol=1e-7)[0] is WRONG
    for local in (Local.NON_FINITE, Local.INFINITE_SLOPE, Local.JUMP):
        nothing = estimate(math.nan, math.inf, local)
        assert judge(claimed, nothing, rtol=1e-7)[0] is INCONCLUSIVE


def test_an_infinite_claim_beside_an_overflowing_slope_is_not_judged():
    huge = estimate(1e200, 1e198)
    assert judge(math.inf, huge, rtol=1e-7)[0] is INCONCLUSIVE


@pytest.mark.parametrize("local", [Local.NON_FINITE, Local.INFINITE_SLOPE, Local.JUMP])
def test_where_no_slope_exists_a_finite_claim_is_not_judged(local):
    verdict, _, reason = judge(1.0, estimate(math.nan, math.inf, local), rtol=1e-7)
    assert verdict is INCONCLUSIVE
    assert reason == local.value


def test_the_coarsest_dtype_sets_the_tolerance():
    def of(*names):
        return default_rtol([np.dtype(name) for name in names])

    assert of("float64") == of("complex128") == of() == 1e-7
    assert of("float64", "float32") == of("complex64") == 1e-3
    assert of("float16", "float64") == 3e-2


def test_claimed_rounding_grows_with_the_terms_and_not_with_their_sum():
    slope = claimed_slope(np.array([1.0, -1.0]), np.array([1e6, 1e6]))
    assert slope.value == 0.0
    assert slope.rounding > 1e-10
    assert claimed_slope(np.array([1, -1]), np.array([1e6, 1e6])).rounding == 0.0


@pytest.mark.parametrize("slack", [0.5, np.inf])
def test_a_claim_outside_a_kink_is_not_saved_by_rounding_that_may_excuse_anything(slack):
    kink = Estimate(0.5, 0.5, "central differences", Local.KINK, 0.0, 1.0, 1e-9)
    outside = compare("x", None, 1.4, kink, rtol=1e-7, slack=slack)
    assert outside.verdict is Verdict.INCONCLUSIVE
    assert compare("x", None, 0.7, kink, rtol=1e-7, slack=slack).verdict is Verdict.CORRECT
    assert compare("x", None, 1.4, kink, rtol=1e-7, slack=1e-3).verdict is Verdict.WRONG
