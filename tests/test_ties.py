"""Ties within one input, and casts to float32: what no single entry shows."""

import numpy as np
import pytest

import gradcheck
from gradcheck.result import Verdict


def shares(at_ties):
    """A backward of ``max`` over the last axis that gives ties these shares, first to last."""

    def backward(y_bar, x):
        best = x == x.max(axis=-1, keepdims=True)
        return (y_bar[..., None] * at_ties(best),)

    return backward


def first(best):
    return best & (np.cumsum(best, axis=-1) == 1)


def evenly(best):
    return best / best.sum(axis=-1, keepdims=True)


def each(best):
    return best.astype(float)


def none(best):
    return np.where(best.sum(axis=-1, keepdims=True) > 1, 0.0, best)


@pytest.mark.parametrize("tied", [2, 3, 8, 32])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("at_ties", "right"), [(first, 1), (evenly, 1), (each, 0), (none, 0)])
def test_the_shares_of_tied_entries_add_up_to_one(at_ties, right, tied, seed):
    x = np.concatenate([np.full(tied, 3.0), [1.0, -2.0]])
    result = gradcheck.check_vjp(lambda x: x.max(axis=-1), shares(at_ties), (x,), seed=seed)
    assert (result.verdict is not Verdict.WRONG) if right else result.verdict is Verdict.WRONG


def test_a_tie_is_judged_by_the_callers_tolerance_where_that_is_looser():
    def backward(y_bar, x):
        return (y_bar * np.where(x == 1.0, 1.4, 1.0),)

    result = gradcheck.check_vjp(lambda x: x, backward, (np.array([1.0, 1.0, 2.0]),), rtol=0.5)
    assert result.verdict is Verdict.CORRECT, str(result)


def square_backward(y_bar, x):
    return (2 * x * y_bar,)


def through_float32(y_bar, x):
    return ((2 * x * y_bar).astype(np.float32).astype(np.float64),)


def test_a_gradient_that_went_through_float32_is_found_whatever_the_tolerance():
    x = np.array([0.1, 0.2, 0.3])
    right = gradcheck.check_vjp(np.square, square_backward, (x,), rtol=1e-3)
    wrong = gradcheck.check_vjp(np.square, through_float32, (x,), rtol=1e-3)
    assert right.verdict is Verdict.CORRECT
    assert [f.name for f in wrong.findings] == ["narrowed"]


def test_a_function_that_computes_in_float32_may_have_such_a_gradient():
    def forward(x):
        return np.square(x.astype(np.float32)).astype(np.float64)

    x = np.array([0.1, 0.2, 0.3])
    result = gradcheck.check_vjp(forward, through_float32, (x,), relations=("narrowed",), rtol=1e-2)
    assert "narrowed" not in [f.name for f in result.findings]
