"""Where rounding hides a slope from the quick step, long steps acquit right claims only."""

import numpy as np
import pytest

import gradcheck
from gradcheck.long_steps import long_difference
from gradcheck.oracles import Ray, quick_slope

CORRECT, WRONG = gradcheck.Verdict.CORRECT, gradcheck.Verdict.WRONG


def ray_of(function, x, v=1.0):
    point, direction = {"x": np.array([float(x)])}, {"x": np.array([float(v)])}
    return Ray(lambda a: function(a["x"]), point, direction, {"out": np.ones(1)})


def meets(function, x, claimed, v=1.0, rtol=1e-7, negligible=0.0):
    ray = ray_of(function, x, v)
    limit = rtol * abs(claimed)
    return long_difference(ray, claimed, quick_slope(ray), limit, negligible) is not None


@pytest.mark.parametrize("offset", [1e4, 1e8, 1e12])
@pytest.mark.parametrize("factor", [1 + 1e-7, 1 - 1e-7, 2.0, -1.0])
def test_a_line_on_an_offset_is_met_by_its_slope_and_by_no_other(offset, factor):
    x = 1e-6 * offset  # only steps of a tenth of the input are seen beside the offset
    assert meets(lambda x: offset + x, x, x, v=x)
    assert not meets(lambda x: offset + x, x, factor * x, v=x)


def test_a_curve_that_long_steps_cut_short_meets_nobody():
    assert not meets(lambda x: 1e10 + np.sin(x), 0.3, np.cos(0.3))
    assert not meets(lambda x: 1e10 + np.sin(x), 0.3, 1.0)


def test_a_slope_that_is_seen_at_the_quick_step_is_left_to_it():
    assert not meets(lambda x: 3 * x, 1.0, 3.0)


def test_no_claim_of_zero_or_infinity_is_met():
    for claimed in (0.0, np.inf, np.nan):
        assert not meets(lambda x: 1e10 + x, 1.0, claimed)


def test_what_no_step_can_see_passes_only_where_it_does_not_matter():
    def drowned(x):
        return 1e20 + x

    assert not meets(drowned, 1.0, 1.0, negligible=1e3)
    assert meets(drowned, 1.0, 1.0, negligible=1e6)


def test_a_dense_layer_beside_a_huge_bias_costs_four_forwards_more_and_no_ladder():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
    b = np.array([1e5, -2e5])

    def dense(x, w, b):
        return x @ w + b

    def backward(y_bar, x, w, _b):
        return y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)

    def wrong(y_bar, x, w, _b):
        return 1.001 * y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)

    result = gradcheck.check_vjp(dense, backward, (x, w, b))
    assert result.verdict is CORRECT
    assert result.evaluations.estimate_forwards <= 3 * 2 + 2 * 4
    assert gradcheck.check_vjp(dense, wrong, (x, w, b)).verdict is WRONG
