"""Real data from inside scikit-learn: networks of `models` reach known optima and accuracies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from gradcheck.training import check_training, convex, descend, theory
from losses import BinaryCrossEntropyOnLogits, MeanSquaredError, SparseSoftmaxCrossEntropy
from models import Dense, Network, ReLU, he_normal
from tests.training.problems import Problem, adam, flatten, nest, shuffled_batches


def linear(x, labels, loss, outputs=1):
    network = Network([Dense(x.shape[1], outputs)])
    zeros = {n: np.zeros_like(a) for n, a in flatten(network.initialise(_rng())).items()}
    return Problem(network, loss, x, labels, zeros)


def _rng():
    return np.random.default_rng(0)


def standardised(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


@pytest.fixture(scope="module")
def digits():
    x, labels = load_digits(return_X_y=True)
    order = _rng().permutation(len(x))
    x, labels = x[order] / 16.0, labels[order]
    network = Network([Dense(64, 32), ReLU(), Dense(32, 10)])
    start = flatten(network.initialise(_rng(), weight=he_normal))
    start["2.weight"] *= 0.1  # small logits: the first loss is that of a uniform guess
    return Problem(
        network, SparseSoftmaxCrossEntropy(), x[:1200], labels[:1200], start, x[1200:],
        labels[1200:],
    )  # fmt: skip


def test_digits_are_learned_with_a_right_gradient_before_and_after(digits):
    end = {}

    def watched(parameters):
        end.update(parameters)
        return digits.held_out(parameters)

    trace = descend(
        digits.objective, digits.start, adam(0.01), 15,
        batches=shuffled_batches(1200, 60, seed=0), held_out=watched,
    )  # fmt: skip
    result = check_training(
        trace,
        level=0.05,
        expected_start=math.log(10),
        start_rtol=0.05,
        guessing=theory.guessing_cross_entropy(digits.held_out_labels),
        small_batch=lambda p: digits.objective(p, slice(0, 10)),
    )
    assert result, str(result)
    assert {"gradient", "first step", "update", "small batch", "learning"} <= set(result.checked)
    predicted = digits.network.predict(nest(end, digits.network), digits.held_out_x)
    assert np.mean(predicted.argmax(axis=1) == digits.held_out_labels) >= 0.95


def test_diabetes_reaches_the_optimum_of_lstsq():
    x, y = load_diabetes(return_X_y=True)
    x, y = standardised(x), standardised(y[:, None])
    problem = linear(x, y, MeanSquaredError())
    optimum = convex.linear_regression(x, y)
    trace = descend(problem.objective, problem.start, None, 400)
    result = check_training(trace, expect="monotone", optimum=optimum, gap=1e-3)
    assert result, str(result)
    assert optimum.loss <= trace.losses[-1]


def test_breast_cancer_reaches_the_optimum_of_minimize():
    x, y = load_breast_cancer(return_X_y=True)
    x, strength = standardised(x), 0.01
    problem = linear(x, y[:, None], BinaryCrossEntropyOnLogits())

    def objective(p):
        cost, gradients = problem.objective(p)
        weight = p["0.weight"]
        gradients["0.weight"] = gradients["0.weight"] + 2 * strength * weight
        return cost + strength * np.sum(weight**2), gradients

    optimum = convex.logistic_regression(x, y, l2=strength)
    trace = descend(objective, problem.start, None, 200)
    result = check_training(
        trace, expect="monotone", optimum=optimum, expected_start=math.log(2), gradient_level=0.01
    )
    assert result, str(result)


def test_digits_with_a_learning_rate_too_long_by_a_hundred_are_told_so(digits):
    trace = descend(lambda p: digits.objective(p, slice(0, 100)), digits.start, 50.0, 8)
    result = check_training(trace)
    assert not result
    assert result.diagnoses[0].name == "step-too-long"
    assert "the gradient is right" in result.diagnoses[0].sentence
