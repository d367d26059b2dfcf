"""Small lies in large gradients are found, and nothing that is no number passes."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.result import Verdict

SEEDS = range(10)


def tanh_sum(x):
    return np.tanh(x).sum()


def slope(out_bar, x):
    return out_bar / np.cosh(x) ** 2


def all_entries_off_by_1e_minus_6(out_bar, x):
    return (slope(out_bar, x) * (1 + 1e-6),)


def one_entry_off_by_a_percent(out_bar, x):
    gradient = slope(out_bar, x)
    gradient.flat[x.size // 3] *= 1.01
    return (gradient,)


def wrong_beyond_a_threshold(out_bar, x):
    return (slope(out_bar, x) * np.where(x > 2.5, 1.5, 1.0),)


def wrong_sign_at_one_coordinate(out_bar, x):
    gradient = slope(out_bar, x)
    gradient.flat[-1] *= -1
    return (gradient,)


PLANTED = (
    all_entries_off_by_1e_minus_6,
    one_entry_off_by_a_percent,
    wrong_beyond_a_threshold,
    wrong_sign_at_one_coordinate,
)


def points(seed, size=10_000):
    return {"x": np.random.default_rng(seed).standard_normal(size)}


@pytest.mark.parametrize("backward", PLANTED, ids=[one.__name__ for one in PLANTED])
def test_a_small_lie_in_ten_thousand_entries_is_wrong(backward):
    for seed in SEEDS:
        result = gradcheck.check_vjp(tanh_sum, backward, points(seed), seed=seed)
        assert result.verdict is Verdict.WRONG, seed


def test_the_truth_about_ten_thousand_entries_is_correct():
    for seed in SEEDS:
        result = gradcheck.check_vjp(tanh_sum, lambda u, x: (slope(u, x),), points(seed), seed=seed)
        assert result.verdict is Verdict.CORRECT, seed


@pytest.mark.parametrize("size", [1e-9, 1e-12, 1e-100])
def test_three_times_a_tiny_gradient_is_wrong(size):
    def forward(x):
        return size * np.sin(x)

    def tripled(out_bar, x):
        return (3 * size * np.cos(x) * out_bar,)

    for seed in SEEDS:
        result = gradcheck.check_vjp(forward, tripled, points(seed, 5), seed=seed)
        assert result.verdict is Verdict.WRONG, seed


def nan_claim(out_bar, x):
    return (np.full_like(x, np.nan),)


def right_sine(out_bar, x):
    return (out_bar * np.cos(x),)


def nan_at_one(x):
    return np.where(x > 1, np.nan, np.sin(x))


def all_nan(x):
    return np.full_like(x, np.nan)


@pytest.mark.parametrize(
    ("forward", "backward"),
    [(np.sin, nan_claim), (nan_at_one, right_sine), (all_nan, nan_claim), (all_nan, right_sine)],
    ids=["in the claim", "in one output", "in both", "in the forward"],
)
def test_nan_never_passes(forward, backward):
    point = {"x": np.array([0.3, 1.5, -2.0])}
    assert gradcheck.check_vjp(forward, backward, point).verdict is not Verdict.CORRECT
