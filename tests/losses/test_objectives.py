"""Penalties and objectives: signs, factors and sums."""

import numpy as np
import pytest

from losses import L1, L2, LOSSES, MeanSquaredError, Objective
from tests.losses.loss_data import labels_for, predictions_for
from tests.losses.numeric import central_differences, complex_step

WEIGHT = np.array([[1.5, -2.0], [0.25, -0.5]])


def test_l1_adds_up_magnitudes():
    assert L1(0.5).value(WEIGHT) == 0.5 * 4.25
    np.testing.assert_array_equal(L1(0.5).gradient(WEIGHT), [[0.5, -0.5], [0.5, -0.5]])


def test_l2_adds_up_squares_without_a_half():
    assert L2(0.5).value(WEIGHT) == 0.5 * (2.25 + 4 + 0.0625 + 0.25)
    np.testing.assert_array_equal(L2(0.5).gradient(WEIGHT), WEIGHT)


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.3)])
@pytest.mark.parametrize("estimate", [central_differences, complex_step])
def test_the_gradient_of_a_penalty_is_its_derivative(penalty, estimate):
    np.testing.assert_allclose(penalty.gradient(WEIGHT), estimate(penalty.value, WEIGHT), rtol=1e-8)


def test_a_vanished_weight_stays_vanished():
    assert L1(1.0).gradient(np.zeros(1)) == [0.0]


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.3)])
def test_a_penalty_pushes_weights_towards_zero(penalty):
    assert (np.sign(penalty.gradient(WEIGHT)) == np.sign(WEIGHT)).all()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_an_objective_is_cost_plus_every_penalty_of_every_weight(loss):
    rng = np.random.default_rng(1)
    p, y = predictions_for(loss, rng), labels_for(loss, rng)
    weights = [WEIGHT, np.array([3.0])]
    objective = Objective(loss, (L1(0.1), L2(0.2)))
    extra = 0.1 * (4.25 + 3) + 0.2 * (6.5625 + 9)
    assert objective.value(p, y, weights) == pytest.approx(loss.cost(p, y) + extra, rel=1e-14)
    by_predictions, by_weights = objective.gradient(p, y, weights)
    np.testing.assert_array_equal(by_predictions, loss.gradient(p, y))
    np.testing.assert_allclose(by_weights[0], 0.1 * np.sign(WEIGHT) + 0.4 * WEIGHT, rtol=1e-15)
    np.testing.assert_allclose(by_weights[1], [0.1 + 1.2], rtol=1e-15)


def test_an_objective_without_penalties_is_the_cost():
    objective = Objective(MeanSquaredError())
    assert objective.value([3.0], [1.0], [WEIGHT]) == 4.0
    np.testing.assert_array_equal(
        objective.gradient([3.0], [1.0], [WEIGHT])[1][0], np.zeros((2, 2))
    )


def test_the_closed_form_of_ridge_regression_is_where_the_objective_is_flat():
    rng = np.random.default_rng(2)
    x, y, strength = rng.normal(size=(20, 3)), rng.normal(size=20), 0.7
    best = np.linalg.solve(x.T @ x / 20 + strength * np.eye(3), x.T @ y / 20)
    by_predictions, (by_weight,) = Objective(MeanSquaredError(), (L2(strength),)).gradient(
        x @ best, y, [best]
    )
    np.testing.assert_allclose(x.T @ by_predictions + by_weight, 0, atol=1e-15)
