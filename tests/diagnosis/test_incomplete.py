"""What is said where nothing simple fits, and what is not said where something else does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import special

import gradcheck
from gradcheck.diagnosis import explain
from tests.corpus.twin import normal
from tests.diagnosis.cases import case_of_pairs


def said(forward, right, wrong, **inputs):
    return explain(case_of_pairs((forward, right), (forward, wrong), inputs))


def checked(forward, backward, *inputs):
    return gradcheck.check_vjp(forward, backward, inputs).diagnoses


X = np.array([0.7, -0.4, 1.3, 2.1, -1.1, 0.2])


def both_ways(a, b):
    """Normalisers of the rows and of the columns of all products: a contrastive loss."""
    s = a @ b.T
    return special.logsumexp(s, axis=1).sum() + special.logsumexp(s, axis=0).sum()


def both_ways_back(g, a, b, *, columns=True):
    s = a @ b.T
    s_bar = g * (special.softmax(s, axis=1) + columns * special.softmax(s, axis=0))
    return s_bar @ b, s_bar.T @ a


ROWS_ONLY = partial(both_ways_back, columns=False)


def test_a_claim_that_points_the_right_way_lacks_a_term():
    a, b = normal(10, 4, 3), normal(11, 5, 3)
    (first, *_) = said(both_ways, both_ways_back, ROWS_ONLY, a=a, b=b)
    assert first.name == "missing-term"
    assert "cosine" in first.evidence


def test_two_numbers_point_the_same_way_by_chance():
    a, b = normal(10, 2, 1), normal(11, 2, 1)
    assert not said(both_ways, both_ways_back, ROWS_ONLY, a=a, b=b)


def test_a_claim_that_points_elsewhere_is_not_explained():
    def elsewhere(g, a, b):
        return g * normal(12, 4, 3), g * normal(13, 5, 3)

    a, b = normal(10, 4, 3), normal(11, 5, 3)
    assert not said(both_ways, both_ways_back, elsewhere, a=a, b=b)


def test_of_a_function_of_each_entry_a_term_is_no_better_than_a_factor():
    def mish(x):
        return x * np.tanh(np.logaddexp(0, x))

    def back(g, x, inner=1.0):
        y = np.tanh(np.logaddexp(0, x))
        return (g * (y + inner * x * (1 - y * y) * special.expit(x)),)

    assert not checked(mish, partial(back, inner=0.0), X)


def test_a_claim_with_its_first_digits_right_is_imprecise():
    def coarse(g, x):
        return (g * np.cos(x) * (1 + 1e-4 * np.array([1.0, 0.3, -0.8, 0.1, 0.5, -0.2])),)

    (first, *_) = said(np.sin, lambda g, x: (g * np.cos(x),), coarse, x=X)
    assert first.name == "low-precision"


def ridge(a, b):
    return np.linalg.solve(a.T @ a + np.eye(a.shape[1]), a.T @ b)


def ridge_back(g, a, b):
    x = ridge(a, b)
    z = np.linalg.solve(a.T @ a + np.eye(a.shape[1]), g)
    return -np.outer(a @ z, x), a @ z  # without np.outer(b - a @ x, z)


def test_a_product_with_a_residual_is_missing():
    (first, *_) = checked(ridge, ridge_back, normal(1, 5, 2), normal(2, 5))
    assert first.name == "missing-term"
    assert "one pattern along axis 0 of a" in first.sentence


def test_a_constant_without_a_name_is_a_constant():
    mask = np.array([1, 0, 1, 1, 0, 1])
    (first, *_) = said(
        lambda x, m: x * m / 0.8, lambda g, x, m: (g * m / 0.8, None),
        lambda g, x, m: (g * m, None), x=X, m=mask,
    )  # fmt: skip
    assert first.name == "constant-factor"


def test_a_label_is_no_number_to_find_patterns_in():
    index = np.array([0, 2, 0, 0, 2])

    def means(x, index):
        out = np.zeros((3, x.shape[1]))
        np.add.at(out, index, x)
        return out / np.maximum(np.bincount(index, minlength=3), 1)[:, None]

    (first, *_) = checked(means, lambda g, x, index: (g[index], None), normal(3, 5, 2), index)
    assert first.name == "wrong-factor"


def test_an_output_of_the_same_shape_was_not_broadcast():
    x = np.array([0.4, 1.3, 0.9, 0.1, 2.0, 1.7, 0.3])
    best = np.array([0, 1, 1, 1, 4, 4, 4])

    def assigned(g, x):
        x_bar = np.zeros_like(x)
        x_bar[best] = g
        return (x_bar,)

    (first, *_) = checked(np.maximum.accumulate, assigned, x)
    assert first.name == "assigned-not-added"


def test_rows_that_are_wrong_as_a_whole_are_no_matter_of_sign():
    def shifted(x, k):
        return k[0] * x + np.concatenate([np.zeros((1, 3)), k[1] * x[:-1]])

    def unshifted(g, x, k):
        before = np.concatenate([g[1:] * k[1], np.zeros((1, 3))])
        return g * k[0] + before, np.stack([(g * x).sum(axis=0), (g[1:] * x[1:]).sum(axis=0)])

    kernel = np.array([[0.7, 0.4, 1.1], [-0.3, -0.8, -0.5]])
    (first, *_) = checked(shifted, unshifted, normal(4, 6, 3), kernel)
    assert first.name != "wrong-for-negative"


def test_what_is_zero_and_wrong_does_not_follow_one_element():
    def product(x):
        return np.prod(x, axis=1)

    def divided(g, x):
        whole = np.prod(x, axis=1, keepdims=True)
        return (g[:, None] * np.divide(whole, x, out=np.zeros_like(x), where=x != 0),)

    (first, *_) = checked(product, divided, np.array([[0.7, 0.0, -1.2], [0.4, 1.1, 0.9]]))
    assert first.name == "wrong-at-zero"


def test_a_gradient_of_integers_is_named_so():
    counts = np.array([1, 0, 3, 2])

    def integers(g, x, counts):
        x_bar = np.empty_like(counts)
        x_bar[...] = g * counts
        return x_bar, None

    (first, *_) = checked(np.multiply, integers, normal(5, 4), counts)
    assert first.name == "integer-arithmetic"


@pytest.mark.parametrize("x", [45.0, 60.0])
def test_a_density_and_its_tail_are_both_zero(x):
    def tail(x):
        return np.exp(-x)

    def quotient(g, x):
        return (-g * np.exp(-x) * np.exp(-x * x) / np.exp(-x * x),)

    (first, *_) = said(tail, lambda g, x: (-g * np.exp(-x),), quotient, x=np.array([0.3, x]))
    assert first.name == "overflow"
