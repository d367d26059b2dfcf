"""docs/miss-probability.md, confirmed: its tables, its formulas, and real checks that miss."""

from __future__ import annotations

import re
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy.special import iti0k0

import gradcheck
from gradcheck import Verdict

PAGE = Path(__file__).resolve().parent.parent / "docs" / "miss-probability.md"

SIGMAS = 4.0
"""Seeds are fixed, so a test within four standard deviations stays within them."""


def miss_probability(t, rho=0.0):
    """Probability that ``|D/S|`` is at most the tolerance: a Cauchy ratio centred at ``rho``."""
    width = np.sqrt(1 - rho**2)
    return (np.arctan((t - rho) / width) + np.arctan((t + rho) / width)) / np.pi


def small_miss_probability_of_vectors(t):
    """One wrong entry of an elementwise Jacobian, small ``t``."""
    return (2 / np.pi) ** 1.5 * t * (np.log(1 / t) + 1 + (np.log(2) - np.euler_gamma) / 2)


def one_entry(n, r, tolerance):
    """``t`` and ``rho`` for one entry of ``n`` equal ones, wrong by the relative size ``r``."""
    return tolerance * np.sqrt(n) / r, 1 / np.sqrt(n)


def table(name):
    text = PAGE.read_text("utf-8").split(f"<!-- table: {name} -->")[1]
    rows = re.findall(r"^\| *(\d.*)\|$", text.split("\n\n")[0], flags=re.MULTILINE)
    return [[float(cell) for cell in row.split("|")] for row in rows]


def assert_close_to(count, trials, probability):
    """A count within some standard deviations of the binomial distribution."""
    spread = np.sqrt(trials * probability * (1 - probability))
    assert abs(count - trials * probability) <= SIGMAS * max(spread, 1.0), (
        count / trials,
        probability,
    )


def test_the_table_of_single_entries_is_computed_from_the_formula():
    rows = table("one entry")
    assert len(rows) == 7
    for n, r, t, probability in rows:
        expected_t, rho = one_entry(n, r, 1e-7)
        assert t == pytest.approx(expected_t, rel=0.02)
        assert probability == pytest.approx(miss_probability(expected_t, rho), rel=0.03)


def test_the_table_of_signs_is_computed_from_the_formula():
    rows = table("signs")
    assert len(rows) == 4
    for m, signs, normal in rows:
        assert signs == pytest.approx(comb(int(m), int(m) // 2) / 2**m, abs=0.0051)
        assert normal == miss_probability(0.0)


@pytest.mark.parametrize(("n", "r"), [(2, 0.5), (10, 0.5), (10, 0.05), (100, 0.5), (100, 3.0)])
def test_the_formula_agrees_with_drawn_directions(n, r):
    tolerance, trials = 0.02, 100_000
    z = np.random.default_rng(n).standard_normal((trials, n))
    missed = np.abs(r * z[:, 0]) <= tolerance * np.abs(z.sum(axis=1))
    assert_close_to(missed.sum(), trials, miss_probability(*one_entry(n, r, tolerance)))


@pytest.mark.parametrize("t", [0.001, 0.01, 0.05])
def test_the_formula_for_vectors_agrees_with_drawn_directions_and_cotangents(t):
    trials = 2_000_000
    u, v, slope = np.random.default_rng(0).standard_normal((3, trials))
    missed = np.sum(np.abs(u * v) <= t * np.abs(slope))
    assert missed / trials == pytest.approx(small_miss_probability_of_vectors(t), rel=0.05)


def test_the_density_of_a_product_of_normal_numbers_peaks_at_zero():
    trials, edge = 1_000_000, 0.1
    u, v = np.random.default_rng(1).standard_normal((2, trials))
    _, integral = iti0k0(edge)
    assert_close_to(np.sum(np.abs(u * v) <= edge), trials, 2 / np.pi * integral)


@pytest.mark.parametrize("m", [2, 4, 10])
def test_signs_cancel_equal_errors(m):
    trials = 50_000
    signs = np.random.default_rng(m).choice([-1, 1], size=(trials, m))
    assert_close_to(np.sum(signs.sum(axis=1) == 0), trials, comb(m, m // 2) / 2**m)


def wrong_in(entries, factor, n=100):
    """A sum, its gradient with some entries off by a relative size, and the point (all ones)."""

    def gradient(x):
        slopes = np.ones_like(x)
        slopes[list(entries)] += factor
        return slopes

    return np.sum, gradient, np.ones(n)


def missed(func, grad, x, *, rtol, seeds, relations=()):
    """How many seeds miss the error; without relations, at one probe each."""
    results = (
        gradcheck.check_grad(func, grad, x, rtol=rtol, seed=seed, relations=relations)
        for seed in range(seeds)
    )
    return sum(result.verdict is not Verdict.WRONG for result in results)


@pytest.mark.parametrize(("r", "rtol"), [(0.02, 1e-3), (0.5, 1e-2), (0.01, 1e-3)])
def test_real_checks_miss_as_often_as_the_formula_says(r, rtol):
    seeds, n = 200, 100
    count = missed(*wrong_in([3], r, n), rtol=rtol, seeds=seeds)
    assert_close_to(count, seeds, miss_probability(*one_entry(n, r, rtol)))


def test_relations_look_at_a_second_point_and_miss_less():
    seeds, (func, grad, x) = 100, wrong_in([3], 0.02)
    one_probe = missed(func, grad, x, rtol=1e-3, seeds=seeds)
    assert missed(func, grad, x, rtol=1e-3, seeds=seeds, relations=None) < one_probe


def test_real_checks_find_two_equal_errors_that_signs_would_miss_every_second_time():
    func, grad, x = wrong_in([3, 7], 0.5)
    assert missed(func, grad, x, rtol=1e-7, seeds=50) == 0


def test_real_checks_find_two_opposite_errors():
    def grad(x):
        slopes = np.ones_like(x)
        slopes[[3, 7]] += [0.5, -0.5]
        return slopes

    assert missed(np.sum, grad, np.ones(100), rtol=1e-7, seeds=50) == 0


def test_an_error_everywhere_is_found_just_above_the_tolerance_and_never_below():
    everywhere = range(100)
    assert missed(*wrong_in(everywhere, 1.5e-3), rtol=1e-3, seeds=50) == 0
    assert missed(*wrong_in(everywhere, 0.5e-3), rtol=1e-3, seeds=50) == 50


def test_a_small_bias_is_not_drowned_by_a_large_weight():
    def forward(w, b):
        return np.sum(w) * 1e3 + np.sum(b)

    def backward(cotangent, w, b):
        return np.full_like(w, 1e3 * cotangent), np.full_like(b, cotangent * 1.001)

    inputs = {"w": np.ones((50, 50)), "b": np.ones(3)}
    for seed in range(20):
        result = gradcheck.check_vjp(forward, backward, inputs, rtol=1e-4, seed=seed)
        assert result.verdict is Verdict.WRONG, str(result)


def test_every_entry_is_seen_when_asked_for():
    func, grad, x = wrong_in([3], 1e-4)
    result = gradcheck.check_vjp(
        func, lambda u, x: (u * grad(x),), (x,), rtol=1e-5, seed=0, exhaustive=True
    )
    assert result.verdict is Verdict.WRONG, str(result)
