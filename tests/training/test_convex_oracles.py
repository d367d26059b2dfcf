"""The oracles agree with scikit-learn, and with a minimiser that knows no slope."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, minimize
from scipy.special import huber
from sklearn.linear_model import LogisticRegression, Ridge

from gradcheck import InvalidArgument
from gradcheck.training import convex, theory


def data(seed=0, rows=40, features=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, features))
    return x, x @ rng.standard_normal(features) + 0.5 * rng.standard_normal(rows), rng


def test_ridge_regression_agrees_with_scikit_learn():
    x, y, _ = data()
    ours = convex.linear_regression(x, y, l2=0.3)
    theirs = Ridge(alpha=0.3 * len(x)).fit(x, y)
    np.testing.assert_allclose(ours.weights, theirs.coef_, rtol=1e-10)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, rtol=1e-9, atol=1e-12)


def test_several_targets_are_one_mean():
    x, y, _ = data()
    both = convex.linear_regression(x, np.stack([y, 2 * y], axis=1))
    assert both.weights.shape == (3, 2)
    assert both.loss == pytest.approx(2.5 * convex.linear_regression(x, y).loss)


def test_logistic_regression_agrees_with_scikit_learn():
    x, y, _ = data()
    labels = (y > 0).astype(int)
    ours = convex.logistic_regression(x, labels, l2=0.05)
    theirs = LogisticRegression(C=1 / (2 * 0.05 * len(x)), tol=1e-10, max_iter=10_000)
    theirs.fit(x, labels)
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], rtol=1e-5)
    assert ours.attained


def test_softmax_regression_agrees_with_scikit_learn():
    x, y, _ = data(rows=60)
    labels = np.digitize(y, [-1.0, 1.0])
    ours = convex.softmax_regression(x, labels, l2=0.02)
    theirs = LogisticRegression(C=1 / (2 * 0.02 * len(x)), tol=1e-10, max_iter=10_000)
    theirs.fit(x, labels)
    np.testing.assert_allclose(ours.weights, theirs.coef_.T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
def test_huber_regression_agrees_with_a_search_without_slopes(intercept):
    x, y, rng = data()
    y = y + 10 * (rng.random(len(y)) < 0.1)
    ours = convex.huber_regression(x, y, delta=0.7, l2=0.01, intercept=intercept)

    def objective(w):
        residual = x @ w[:3] + (w[3] if intercept else 0.0) - y
        return np.mean(huber(0.7, residual)) + 0.01 * np.sum(w[:3] ** 2)

    found = minimize(
        objective, np.zeros(4), method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000},
    )  # fmt: skip
    assert ours.loss == pytest.approx(found.fun, rel=1e-8)
    assert ours.loss <= found.fun + 1e-12


@pytest.mark.parametrize(
    "solve", [convex.logistic_regression, convex.softmax_regression], ids=["logistic", "softmax"]
)
def test_separable_classes_have_no_optimum_but_an_infimum(solve):
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    found = solve(x, np.array([0, 0, 1, 1]))
    assert not found.attained
    assert found.loss == 0.0
    assert solve(x, np.array([0, 0, 1, 1]), l2=0.1).attained


@pytest.mark.parametrize("solve", [convex.logistic_regression, convex.softmax_regression])
def test_no_point_nearby_is_better(solve):
    x, y, rng = data()
    labels = (y > 0).astype(int)
    best = solve(x, labels, l2=0.1)
    for _ in range(20):
        w = best.weights + 0.01 * rng.standard_normal(best.weights.shape)
        scores = x @ w + best.bias
        z = np.stack([0 * scores, scores], axis=1) if scores.ndim == 1 else scores
        cost = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels])
        assert cost + 0.1 * np.sum(w**2) > best.loss


@pytest.mark.parametrize(
    "solve", [convex.logistic_regression, convex.softmax_regression, convex.huber_regression]
)
def test_the_units_of_the_columns_do_not_matter(solve):
    x, y, rng = data()
    labels = (y + rng.standard_normal(len(y)) > 0).astype(int)
    units = np.array([1e9, 1.0, 1e-9])
    plain, scaled = solve(x, labels), solve(x * units, labels)
    assert scaled.loss == pytest.approx(plain.loss, rel=1e-9)
    theirs = scaled.weights * units.reshape(-1, *[1] * (plain.weights.ndim - 1))
    np.testing.assert_allclose(theirs, plain.weights, rtol=1e-4, atol=1e-4)


def test_an_optimum_that_was_not_found_is_refused_and_not_misreported(monkeypatch):
    monkeypatch.setattr(convex, "minimize", lambda cost, start, **_: OptimizeResult(x=start, fun=9))
    x, y, _ = data()
    with pytest.raises(InvalidArgument, match="the optimum was not found"):
        convex.huber_regression(x, y)


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((2, 1)), np.zeros((0, 2))])
def test_shapes_that_do_not_fit_are_refused(x):
    with pytest.raises(InvalidArgument, match="expected"):
        convex.linear_regression(x, np.zeros(3 if x.size else 0))


X, ONES = np.eye(4, 2), np.ones(4)
MISUSES = {
    "a column of targets": lambda: convex.huber_regression(X, ONES[:, None]),
    "a column of labels": lambda: convex.logistic_regression(X, ONES[:, None]),
    "targets of three axes": lambda: convex.linear_regression(X, ONES[:, None, None]),
    "a missing value": lambda: convex.linear_regression(X * np.nan, ONES),
    "an infinite target": lambda: convex.huber_regression(X, ONES * np.inf),
    "a negative penalty": lambda: convex.linear_regression(X, ONES, l2=-0.1),
    "labels of -1 and 1": lambda: convex.logistic_regression(X, np.array([-1, 1, 1, -1])),
    "a label beyond the classes": lambda: convex.softmax_regression(X, 3 * ONES, classes=3),
    "a negative label": lambda: convex.softmax_regression(X, -ONES),
    "half a class": lambda: convex.softmax_regression(X, 0.5 * ONES),
    "no delta": lambda: convex.huber_regression(X, ONES, delta=0.0),
    "no labels": lambda: theory.guessing_cross_entropy(np.zeros(0, int)),
    "no targets": lambda: theory.guessing_squared_error(np.zeros(0)),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_what_is_no_such_problem_is_refused(misuse):
    with pytest.raises(InvalidArgument, match="expected"):
        misuse()


def test_one_class_alone_is_guessed_without_loss():
    assert str(theory.guessing_cross_entropy(np.ones(3, int))) == "0.0"


def test_what_guessing_gives_is_the_least_of_all_constants():
    labels = np.array([0, 0, 0, 1, 2, 2])
    constants = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    costs = [-np.mean(np.log(p[labels])) for p in constants]
    assert theory.guessing_cross_entropy(labels) <= min(costs)
    assert theory.guessing_squared_error(np.array([1.0, 3.0])) == 1.0
    assert theory.uninformed_loss(10) == np.log(10)
    with pytest.raises(InvalidArgument, match="at least 2"):
        theory.uninformed_loss(1)
