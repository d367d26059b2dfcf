"""Every loss and every gradient against the textbook formula in fifty digits."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from losses import LOSSES, Huber

mpmath.mp.dps = 50

LOGITS = [-1e4, -710.0, -40.0, -1.5, -1e-9, 0.0, 1e-9, 0.3, 36.0, 40.0, 710.0, 1e4]
PROBABILITIES = [1e-300, 1e-20, 1e-9, 0.25, 0.5, 0.75, 1 - 1e-9, 1 - 2**-53]
REALS = [(3.0, 1.0), (-2.0, 0.5), (1e-9, 0.0), (1.0, 1.0 - 1e-9), (1e6, -1e6), (0.3, 0.3)]
ROWS = [
    [0.0, 0.0, 0.0],
    [1.0, -2.0, 0.5],
    [40.0, 0.0, -3.0],
    [1e4, -1e4, 0.0],
    [-1e4, -1e4, -1e4 + 1],
    [750.0, 749.0, -750.0],
]
ACCURATE = 1e-14
"""Relative; a few dozen roundings."""


def assert_accurate(got, truth):
    truth = [mpf(value) for value in truth]
    for number, exact in zip(np.ravel(got), truth, strict=True):
        # exp(-2e4) and the like are below the smallest float64, where 0 is the right answer
        tiny = mpf(2) ** -1022
        assert abs(mpf(float(number)) - exact) <= ACCURATE * abs(exact) + tiny, (number, exact)


def squared(p, y):
    return (p - y) ** 2, 2 * (p - y)


def absolute(p, y):
    return abs(p - y), mpmath.sign(p - y)


def huber(p, y):
    e = p - y
    if abs(e) <= 1:
        return e**2 / 2, e
    return abs(e) - mpf(1) / 2, mpmath.sign(e)


@pytest.mark.parametrize(
    ("name", "truth"),
    [("mean_squared_error", squared), ("mean_absolute_error", absolute), ("huber", huber)],
)
def test_regression_losses_are_their_formulas(name, truth):
    predictions, labels = np.array(REALS).T
    exact = [truth(mpf(p), mpf(y)) for p, y in REALS]
    loss = LOSSES[name]
    assert_accurate(loss.per_example(predictions, labels), [value for value, _ in exact])
    assert_accurate(loss.slope(predictions, labels), [slope for _, slope in exact])


@pytest.mark.parametrize("label", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_is_its_formula(label):
    y = mpf(label)
    loss = LOSSES["binary_cross_entropy"]
    p = np.array(PROBABILITIES)
    exact = [mpf(x) for x in PROBABILITIES]
    values = [-y * mpmath.log(x) - (1 - y) * mpmath.log1p(-x) for x in exact]
    slopes = [(x - y) / (x * (1 - x)) for x in exact]
    assert_accurate(loss.per_example(p, np.full_like(p, label)), values)
    # at p = y the two terms of the slope cancel; both are below 2 in size
    p, slopes = zip(*[(x, s) for x, s in zip(p, slopes, strict=True) if x != label], strict=True)
    assert_accurate(loss.slope(p, np.full(len(p), label)), slopes)


@pytest.mark.parametrize("label", [0.0, 1.0, 0.25])
def test_binary_cross_entropy_on_logits_is_its_formula(label):
    y = mpf(label)
    loss = LOSSES["binary_cross_entropy_on_logits"]
    z = np.array(LOGITS)
    values = [y * mpmath.log1p(mpmath.exp(-mpf(x))) for x in LOGITS]
    values = [
        value + (1 - y) * mpmath.log1p(mpmath.exp(mpf(x)))
        for value, x in zip(values, LOGITS, strict=True)
    ]
    slopes = [(1 - y) / (1 + mpmath.exp(-mpf(x))) - y / (1 + mpmath.exp(mpf(x))) for x in LOGITS]
    assert_accurate(loss.per_example(z, np.full_like(z, label)), values)
    assert_accurate(loss.slope(z, np.full_like(z, label)), slopes)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("label", range(3))
def test_softmax_cross_entropy_is_its_formula(row, label):
    total = mpmath.fsum(mpmath.exp(mpf(z)) for z in row)
    others = [mpmath.exp(mpf(z)) / total for k, z in enumerate(row) if k != label]
    value = -mpmath.log1p(-mpmath.fsum(others))
    slopes = [mpmath.exp(mpf(z)) / total for z in row]
    slopes[label] = -mpmath.fsum(others)
    if mpmath.fsum(others) > mpf("0.5"):
        value = mpmath.log(total) - mpf(row[label])
    dense, sparse = LOSSES["softmax_cross_entropy"], LOSSES["sparse_softmax_cross_entropy"]
    for loss, labels in [(dense, np.eye(3)[label]), (sparse, np.array(label))]:
        assert_accurate(loss.per_example(np.array(row), labels), [value])
        assert_accurate(loss.slope(np.array(row), labels), slopes)


@pytest.mark.parametrize("label", range(3))
def test_categorical_cross_entropy_is_its_formula(label):
    row = [0.7, 0.3 - 1e-12, 1e-12]
    slopes = [mpf(0)] * 3
    slopes[label] = -1 / mpf(row[label])
    dense, sparse = LOSSES["categorical_cross_entropy"], LOSSES["sparse_categorical_cross_entropy"]
    for loss, labels in [(dense, np.eye(3)[label]), (sparse, np.array(label))]:
        assert_accurate(loss.per_example(row, labels), [-mpmath.log(mpf(row[label]))])
        assert_accurate(loss.slope(row, labels), slopes)


def test_soft_labels_are_weighted_surprises():
    y, z = np.array([0.2, 0.5, 0.3]), np.array([1.0, -1.0, 2.0])
    p = np.exp(z) / np.exp(z).sum()
    on_logits, on_probabilities = (
        LOSSES["softmax_cross_entropy"],
        LOSSES["categorical_cross_entropy"],
    )
    np.testing.assert_allclose(on_logits.per_example(z, y), -(y * np.log(p)).sum(), rtol=1e-14)
    np.testing.assert_allclose(on_probabilities.per_example(p, y), -(y * np.log(p)).sum())
    np.testing.assert_allclose(on_logits.slope(z, y), p - y, rtol=1e-14)
    np.testing.assert_allclose(on_probabilities.slope(p, y), -y / p, rtol=1e-14)


def test_hubers_delta_is_where_the_parabola_ends():
    loss = Huber(delta=2.0)
    np.testing.assert_array_equal(loss.per_example([1.0, 2.0, 5.0], [0.0] * 3), [0.5, 2.0, 8.0])
    np.testing.assert_array_equal(loss.slope([1.0, 2.0, 5.0], [0.0] * 3), [1.0, 2.0, 2.0])


def test_a_huge_error_does_not_overflow_hubers_loss():
    with np.errstate(all="raise"):
        assert Huber().cost([1e200], [-1e200]) == 2e200


def test_the_slope_at_equality_is_zero():
    assert LOSSES["mean_absolute_error"].slope([2.0], [2.0]) == [0.0]
