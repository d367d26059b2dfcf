"""The optimum of a convex training problem, found without any gradient of the subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import minimize
from scipy.special import expit, huber, log_softmax, softmax

from gradcheck.errors import InvalidArgument
from gradcheck.trees import Array

CONVERGED = 1e-6
"""Largest gradient norm at which the minimiser's point counts as the optimum, per unit of loss."""

MINIMISER = "scipy.optimize.minimize"

NEWTON = {"gtol": 1e-9}
"""Its steps are worth taking to the last digits: SciPy's own 1e-4 stops where L-BFGS has been."""

ITERATIONS = 500
"""Of the quasi-Newton method: what it leaves, Newton's method finishes faster."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The least objective of a convex problem and where it is reached.

    Attributes
    ----------
    loss : float
        Least value; the infimum where no point reaches it.
    weights : array, shape (d,) or (d, k)
    bias : array, shape () or (k,)
    oracle : str
        What found it.
    attained : bool
        False for separable classes without a penalty: the infimum 0 is approached only by weights
        that grow without bound.
    """

    loss: float
    weights: Array
    bias: Array
    oracle: str
    attained: bool = True


def linear_regression(x: Array, y: Array, *, l2: float = 0.0, intercept: bool = True) -> Optimum:
    """Least mean squared error of ``x @ w + b``, by `scipy.linalg.lstsq`.

    The objective is ``mean((x @ w + b - y) ** 2) + l2 * sum(w ** 2)``; the intercept is free.

    Parameters
    ----------
    x : array, shape (n, d)
    y : array, shape (n,) or (n, k)
    l2 : float
        Penalty on the squared weights.
    intercept : bool
        Whether there is a ``b``.

    Examples
    --------
    >>> found = linear_regression(np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0]))
    >>> found.weights.round(6).tolist(), found.bias.round(6).tolist()
    ([2.0], 1.0)
    """
    x, y = _examples(x, y, l2)
    design = _design(x, intercept)
    # mean over all entries of y: the penalty weighs as much as that many examples do.
    ridge = np.sqrt(l2 * y.size) * np.eye(x.shape[1], design.shape[1])
    zeros = np.zeros((x.shape[1], *y.shape[1:]))
    solution = lstsq(np.vstack([design, ridge]), np.concatenate([y, zeros]))[0]
    weights = solution[: x.shape[1]]
    loss = np.mean((design @ solution - y) ** 2) + l2 * np.sum(weights**2)
    return Optimum(float(loss), weights, _bias(solution, x, intercept), "scipy.linalg.lstsq")


def logistic_regression(
    x: Array, labels: Array, *, l2: float = 0.0, intercept: bool = True
) -> Optimum:
    """Least mean binary cross-entropy of ``sigmoid(x @ w + b)``, by `scipy.optimize.minimize`.

    The objective is the mean of ``log(1 + exp(z)) - y z``, plus ``l2 * sum(w ** 2)``.

    Parameters
    ----------
    x : array, shape (n, d)
    labels : array, shape (n,)
        0 or 1.

    Examples
    --------
    >>> labels = np.array([0, 1, 0, 1])
    >>> round(logistic_regression(np.zeros((4, 1)), labels).loss, 4)  # log 2
    0.6931
    """
    x, labels = _examples(x, labels, l2, dimensions=1)
    _require_classes(labels, 2)
    design, scale = _scaled(x, intercept)
    penalised = l2 * _penalised(x, design) / scale**2

    def cost(w: Array) -> tuple[float, Array]:
        z = design @ w
        value = np.mean(np.logaddexp(0, z) - labels * z) + np.sum(penalised * w**2)
        return float(value), design.T @ (expit(z) - labels) / len(z) + 2 * penalised * w

    def curvature(w: Array, v: Array) -> Array:
        p = expit(design @ w)
        product: Array = design.T @ (p * (1 - p) * (design @ v)) / len(p) + 2 * penalised * v
        return product

    def separates(w: Array) -> bool:
        return l2 == 0 and bool(np.all((design @ w) * (2 * labels - 1) > 0))

    w, loss, attained = _minimum(cost, curvature, np.zeros(design.shape[1]), separates)
    w = w / scale
    return Optimum(loss, w[: x.shape[1]], _bias(w, x, intercept), MINIMISER, attained)


def softmax_regression(
    x: Array, labels: Array, *, classes: int | None = None, l2: float = 0.0, intercept: bool = True
) -> Optimum:
    """Least mean cross-entropy of ``softmax(x @ w + b)``, by `scipy.optimize.minimize`.

    The objective is the mean of ``-log softmax(z)[label]``, plus ``l2 * sum(w ** 2)``.

    Parameters
    ----------
    x : array, shape (n, d)
    labels : integer array, shape (n,)
        0, ..., classes - 1.
    classes : int, optional
        One more than the largest label when not given.

    Examples
    --------
    >>> found = softmax_regression(np.zeros((3, 1)), np.array([0, 1, 2]))
    >>> bool(np.isclose(found.loss, np.log(3)))
    True
    """
    x, targets = _examples(x, labels, l2, dimensions=1)
    count = int(targets.max()) + 1 if classes is None else classes
    _require_classes(targets, count)
    design, scale = _scaled(x, intercept)
    one_hot = np.eye(count)[targets.astype(int)]
    penalised = (l2 * _penalised(x, design) / scale**2)[:, None]
    shape = (design.shape[1], count)

    def cost(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(shape)
        z = design @ w
        value = -np.sum(one_hot * log_softmax(z, axis=1)) / len(z) + np.sum(penalised * w**2)
        gradient = design.T @ (softmax(z, axis=1) - one_hot) / len(z) + 2 * penalised * w
        return float(value), gradient.ravel()

    def curvature(flat: Array, v: Array) -> Array:
        p = softmax(design @ flat.reshape(shape), axis=1)
        z_dot = design @ v.reshape(shape)
        p_dot = p * (z_dot - np.sum(p * z_dot, axis=1, keepdims=True))
        product: Array = design.T @ p_dot / len(p) + 2 * penalised * v.reshape(shape)
        return product.ravel()

    def separates(flat: Array) -> bool:
        z = design @ flat.reshape(shape)
        rest = np.where(one_hot > 0, -np.inf, z).max(axis=1)
        return l2 == 0 and bool(np.all(np.sum(one_hot * z, axis=1) > rest))

    flat, loss, attained = _minimum(cost, curvature, np.zeros(shape).ravel(), separates)
    w = flat.reshape(shape) / scale[:, None]
    return Optimum(loss, w[: x.shape[1]], _bias(w, x, intercept), MINIMISER, attained)


def huber_regression(
    x: Array, y: Array, *, delta: float = 1.0, l2: float = 0.0, intercept: bool = True
) -> Optimum:
    """Least mean Huber loss of ``x @ w + b``, by `scipy.optimize.minimize`.

    The loss of a residual ``r`` is ``r**2 / 2`` up to ``delta`` and ``delta * (|r| - delta / 2)``
    beyond (Huber 1964); the objective adds ``l2 * sum(w ** 2)``.

    Parameters
    ----------
    x : array, shape (n, d)
    y : array, shape (n,)
    delta : float
        Where the loss turns linear.

    Examples
    --------
    >>> x, y = np.zeros((5, 0)), np.array([0.0, 0.0, 0.0, 0.0, 100.0])
    >>> float(huber_regression(x, y, delta=1.0).bias.round(6))  # the mean is 20
    0.25
    """
    x, y = _examples(x, y, l2, dimensions=1)
    if not delta > 0:
        raise InvalidArgument(f"delta: got {delta!r}; expected a positive number")
    design, scale = _scaled(x, intercept)
    penalised = l2 * _penalised(x, design) / scale**2

    def cost(w: Array) -> tuple[float, Array]:
        residual = design @ w - y
        value = np.mean(huber(delta, residual)) + np.sum(penalised * w**2)
        slope = design.T @ np.clip(residual, -delta, delta) / len(y)
        return float(value), slope + 2 * penalised * w

    def curvature(w: Array, v: Array) -> Array:
        inside = np.abs(design @ w - y) <= delta
        product: Array = design.T @ (inside * (design @ v)) / len(y) + 2 * penalised * v
        return product

    w, loss, attained = _minimum(cost, curvature, np.zeros(design.shape[1]))
    w = w / scale
    return Optimum(loss, w[: x.shape[1]], _bias(w, x, intercept), MINIMISER, attained)


def _examples(x: Array, y: Array, l2: float, dimensions: int | None = None) -> tuple[Array, Array]:
    """Examples and targets in float64, if they are some."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    fits = y.ndim == dimensions if dimensions else y.ndim in (1, 2)
    if x.ndim != 2 or not fits or y.shape[:1] != x.shape[:1] or len(x) == 0:
        raise InvalidArgument(
            f"got x of shape {x.shape} and targets of shape {y.shape}; "
            f"expected (n, d) and (n,){'' if dimensions else ' or (n, k)'} with n >= 1"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidArgument("got nan or inf among the examples; expected finite numbers")
    if not l2 >= 0:
        raise InvalidArgument(f"l2: got {l2!r}; expected a penalty of at least 0")
    return x, y


def _require_classes(labels: Array, count: int) -> None:
    if not np.isin(labels, np.arange(count)).all():
        found = ", ".join(f"{label:g}" for label in np.unique(labels)[:9])
        raise InvalidArgument(f"labels: got {found}; expected classes from 0 to {count - 1}")


def _design(x: Array, intercept: bool) -> Array:
    return np.hstack([x, np.ones((len(x), 1))]) if intercept else x


def _scaled(x: Array, intercept: bool) -> tuple[Array, Array]:
    """The design with columns of root mean square 1, so that no unit spoils the minimiser."""
    design = _design(x, intercept)
    scale = np.sqrt(np.mean(design**2, axis=0))
    scale[scale == 0] = 1.0
    return design / scale, scale


def _penalised(x: Array, design: Array) -> Array:
    mask: Array = (np.arange(design.shape[1]) < x.shape[1]).astype(np.float64)
    return mask


def _bias(solution: Array, x: Array, intercept: bool) -> Array:
    return np.asarray(solution[x.shape[1]] if intercept else np.zeros(solution.shape[1:]))


def _minimum(
    cost: Callable[[Array], tuple[float, Array]],
    curvature: Callable[[Array, Array], Array],
    start: Array,
    separates: Callable[[Array], bool] = lambda _: False,
) -> tuple[Array, float, bool]:
    """Quasi-Newton for the way, Newton for the last digits; the better end point counts."""
    tight = {"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": 0.0, "gtol": 1e-7}
    near = minimize(cost, start, jac=True, method="L-BFGS-B", options=tight)
    # Once every example is on its side, scaling the weights up drives every loss to zero.
    if separates(near.x):
        return near.x, 0.0, False
    exact = minimize(cost, near.x, jac=True, hessp=curvature, method="trust-ncg", options=NEWTON)
    best = min(near, exact, key=lambda found: float(found.fun))
    _insist(cost(best.x)[1], scale=float(cost(start)[0]))
    return best.x, float(best.fun), True


def _insist(gradient: Array, scale: float) -> None:
    norm = float(np.linalg.norm(gradient))
    if not norm <= CONVERGED * max(1.0, scale):
        raise InvalidArgument(
            f"the optimum was not found: the gradient norm is still {norm:.1e}; "
            "add a penalty l2, or leave out columns that say the same"
        )
