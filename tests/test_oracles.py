"""Estimates against derivatives known in closed form, and their bounds against the truth."""

import math

import numpy as np
import pytest

from gradcheck.oracles import (
    Ray,
    complex_step_slope,
    estimate_slope,
    noise_level,
    quick_slope,
    scipy_slope,
)
from gradcheck.oracles.neville import extrapolate, tableau
from gradcheck.oracles.noise import granularity
from gradcheck.result import Local


def ray(function, x, v=0.87, **cotangent):
    x = np.atleast_1d(np.asarray(x, dtype=float))
    u = cotangent or {"out": np.ones(np.shape(function(x)))}
    return Ray(lambda inputs: function(inputs["x"]), {"x": x}, {"x": np.full(x.shape, v)}, u)


SMOOTH = [
    (np.sin, np.cos, 0.7),
    (np.exp, np.exp, -1.2),
    (lambda x: np.exp(50 * x), lambda x: 50 * np.exp(50 * x), 0.4),
    (lambda x: np.sin(1000 * x), lambda x: 1000 * np.cos(1000 * x), 1.3),
    (lambda x: x**20, lambda x: 20 * x**19, 1.1),
    (np.tanh, lambda x: 1 / np.cosh(x) ** 2, 3.0),
    (lambda x: 1 / x, lambda x: -1 / x**2, 0.6),
]


@pytest.mark.parametrize(("function", "slope", "x"), SMOOTH)
def test_a_smooth_slope_is_known_to_nine_digits_and_the_bound_is_honest(function, slope, x):
    truth = 0.87 * float(slope(x))
    found = estimate_slope(ray(function, x), target=5e-9 * abs(truth))
    assert abs(found.value - truth) <= found.error <= 1e-8 * abs(truth)
    assert found.local is Local.SMOOTH


@pytest.mark.parametrize("side", [1, -1])
def test_one_sided_slopes_of_a_kink_are_both_found(side):
    found = estimate_slope(ray(lambda x: side * np.maximum(2 * x, -x), 0.0))
    assert found.local is Local.KINK
    left, right = (-0.87 * side, 2 * 0.87 * side)
    assert found.left == pytest.approx(left, abs=found.one_sided_error)
    assert found.right == pytest.approx(right, abs=found.one_sided_error)
    low, high = found.interval()
    assert low <= min(left, right) < max(left, right) <= high


@pytest.mark.parametrize("distance", [1e-3, 1e-5, -1e-5, 1e-8])
def test_a_kink_nearby_leaves_the_slope_at_the_point(distance):
    found = estimate_slope(ray(lambda x: np.maximum(x, 0), distance))
    low, high = found.interval()
    assert low <= (0.87 if distance > 0 else 0.0) <= high


def test_an_infinite_slope_and_a_jump_have_no_value():
    root = estimate_slope(ray(lambda x: np.sqrt(np.abs(x)), 0.0))
    jump = estimate_slope(ray(np.sign, 0.0))
    assert root.local is Local.INFINITE_SLOPE
    assert jump.local is Local.JUMP
    assert math.isinf(root.error)
    assert math.isinf(jump.error)


def test_a_domain_that_ends_at_the_point_gives_a_one_sided_slope():
    found = estimate_slope(ray(lambda x: x * np.sqrt(x), 0.0))
    assert "above" in found.oracle
    assert abs(found.value) <= found.error < 1e-4


def test_a_function_that_raises_on_one_side_is_known_from_the_other():
    def picky(x):
        if np.any(x < 1):
            raise ValueError("below 1")
        return x**2

    picky_ray = Ray(
        lambda a: picky(a["x"]), {"x": np.ones(1)}, {"x": np.ones(1)}, {"out": np.ones(1)}
    )
    found = estimate_slope(picky_ray)
    assert abs(found.value - 2.0) <= found.error < 1e-6
    assert picky_ray.failures


def test_nothing_is_said_where_the_function_is_nowhere_finite():
    found = estimate_slope(ray(lambda x: np.where(x == 1.0, 1.0, np.nan), 1.0))
    assert found.local is Local.NON_FINITE
    assert math.isinf(found.error)


@pytest.mark.parametrize(
    "quantised",
    [
        lambda x: (1e10 + x) - 1e10,
        lambda x: x.astype(np.float32).astype(float),
        lambda x: np.round(x, 6),
    ],
)
def test_a_quantised_function_has_the_noise_of_its_grain(quantised):
    found = estimate_slope(ray(quantised, 0.3))
    assert abs(found.value - 0.87) <= found.error
    assert found.error > 1e-7


def test_two_scales_are_reported_and_not_guessed():
    found = estimate_slope(ray(lambda x: x + 1e-7 * np.sin(1e7 * x), 0.3))
    truth = 0.87 * (1 + math.cos(3e6))
    assert abs(found.value - truth) <= found.error


def test_the_ladder_stops_at_the_target():
    counts = []

    def counted(x):
        counts.append(1)
        return np.sin(x)

    estimate_slope(ray(counted, 0.7), target=1e-6)
    few = len(counts)
    counts.clear()
    estimate_slope(ray(counted, 0.7), target=0.0)
    assert few < len(counts)
    assert few <= 12


def test_noise_is_measured_where_there_is_some_and_not_where_there_is_none():
    def noisy(x):
        bits = np.ascontiguousarray(x).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return np.sin(x) + 1e-9 * ((bits >> np.uint64(11)) / 2**53 - 0.5)

    assert 1e-10 < noise_level(ray(noisy, 0.7).offset) < 1e-9
    assert noise_level(ray(np.sin, 0.7).offset) < 1e-15
    assert noise_level(lambda t: math.nan) == 0.0


def test_the_grain_of_float32_is_seen_and_that_of_float64_is_not():
    steps = [0.25, 0.03125]
    single = granularity(ray(lambda x: np.sin(x.astype(np.float32)).astype(float), 0.7), steps)
    double = granularity(ray(np.sin, 0.7), steps)
    assert single > 1e-9
    assert double <= 2.0**-52


def test_a_quick_difference_costs_two_forwards_and_bounds_its_rounding_only():
    counts = []

    def counted(x):
        counts.append(1)
        return np.sin(x)

    subject = ray(counted, 0.7)
    counts.clear()
    found = quick_slope(subject)
    assert len(counts) == 2
    assert abs(found.value - 0.87 * math.cos(0.7)) < 1e-9
    assert 0 < found.error < 1e-9


def test_the_complex_step_is_exact_where_it_survives_and_absent_where_it_does_not():
    found = complex_step_slope(ray(lambda x: 1e10 + np.sin(x), 0.7))
    assert found is not None
    assert abs(found.value - 0.87 * math.cos(0.7)) <= found.error < 1e-8
    assert complex_step_slope(ray(lambda x: np.sin(x.real), 0.7)) is None
    assert complex_step_slope(ray(lambda x: np.asarray(np.sin(x), dtype=float), 0.7)) is None


def test_a_broken_complex_step_contradicts_the_differences_by_which_it_is_judged():
    """``abs`` drops the imaginary part and adds it elsewhere: the value is wrong, silently."""
    subject = ray(lambda x: np.abs(x) * (1 + 0j * x), 0.7)
    found, seen = complex_step_slope(subject), estimate_slope(ray(np.abs, 0.7))
    assert found is None or abs(found.value - seen.value) > seen.error + found.error


def test_scipy_agrees_with_an_easy_function():
    found = scipy_slope(ray(np.sin, 0.7))
    assert found.value == pytest.approx(0.87 * math.cos(0.7), rel=1e-6)


def test_equal_infinities_do_not_move():
    subject = Ray(
        lambda a: np.where(np.isinf(a["x"]), a["x"], a["x"] ** 2),
        {"x": np.array([-np.inf, 2.0])},
        {"x": np.array([0.0, 1.0])},
        {"out": np.ones(2)},
    )
    assert quick_slope(subject).value == pytest.approx(4.0, rel=1e-9)


def test_an_output_that_changes_shape_nearby_is_remembered():
    subject = ray(lambda x: x if x[0] == 1.0 else np.zeros(2), 1.0)
    assert math.isnan(subject.offset(0.1))
    assert subject.odd_outputs


def test_complex_outputs_are_projected_on_the_real_inner_product():
    subject = ray(lambda x: 1j * x, 1.0, out=np.array([1j]))
    assert quick_slope(subject).value == pytest.approx(0.87)


def test_the_tableau_removes_the_leading_powers():
    steps = [0.5, 0.25, 0.125]
    quotients = [3.0 + 2 * h**2 - h**4 for h in steps]
    assert tableau(quotients, [1.0, 4.0, 4.0])[2][2] == pytest.approx(3.0, abs=1e-14)


def test_two_coarse_rungs_that_agree_by_chance_are_not_believed():
    steps = [2.0**-k for k in (2, 5, 8, 11, 14)]
    aliased = [0.0, 0.0, 812.0, 814.0, 814.2]
    found = extrapolate(steps, aliased, [1e-16] * 5, 2)
    assert found is not None
    assert found.fine.error > 10 or abs(found.fine.value - 814.2) < 5
