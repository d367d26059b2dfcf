"""A number too many, too few, or with the wrong sign."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import Twin, normal


def half_mean_square(predicted, target):
    """Half the mean, over examples and outputs, of the squared error of ``(n, k)``."""
    return np.mean((predicted - target) ** 2) / 2 if predicted.size else np.float64(0.0)


def half_mean_square_right(out_bar, predicted, target):
    predicted_bar = out_bar * (predicted - target) / max(1, predicted.size)
    return predicted_bar, -predicted_bar


def half_mean_square_wrong(out_bar, predicted, target):
    predicted_bar = out_bar * (predicted - target) / max(1, len(predicted))
    return predicted_bar, -predicted_bar


def ridge(w, x, y, reg=5e-6):
    """Half the squared error of a linear model, with a penalty on its weights."""
    return np.sum((x @ w - y) ** 2) / 2 + reg * np.sum(w * w)


def _ridge_back(out_bar, w, x, y, penalty):
    residual = out_bar * (x @ w - y)
    return x.T @ residual + out_bar * penalty * w, np.outer(residual, w), -residual


def ridge_right(out_bar, w, x, y, reg=5e-6):
    return _ridge_back(out_bar, w, x, y, 2 * reg)


def ridge_wrong(out_bar, w, x, y, reg=5e-6):
    return _ridge_back(out_bar, w, x, y, reg)


def distance(a, b):
    """Euclidean distance between the rows of two arrays ``(n, d)``."""
    return np.sqrt(np.sum((a - b) ** 2, axis=-1))


def distance_right(out_bar, a, b):
    length = distance(a, b)[:, None]
    a_bar = out_bar[:, None] * (a - b) / np.where(length == 0, 1.0, length)
    return a_bar, -a_bar


def distance_wrong(out_bar, a, b):
    a_bar = out_bar[:, None] * (a - b)
    return a_bar, -a_bar


def sine_times(x, y):
    return np.sin(x) * y


def sine_times_right(out_bar, x, y):
    return out_bar * np.cos(x) * y, out_bar * np.sin(x)


def sine_times_wrong(out_bar, x, y):
    return out_bar * np.cos(x) * y, -out_bar * np.sin(x)


def subtract(a, b):
    return a - b


def subtract_right(out_bar, a, b):
    return out_bar.copy(), -out_bar


def subtract_wrong(out_bar, a, b):
    return out_bar.copy(), out_bar.copy()


TWINS = (
    Twin(
        id="fac-noutputs",
        source="scikit-learn/scikit-learn#8349, scikit-learn/scikit-learn#34830",
        cls="constant factor: the number of outputs",
        bug="the loss is a mean over outputs, the gradient is not",
        forward=half_mean_square,
        right_backward=half_mean_square_right,
        wrong_backward=half_mean_square_wrong,
        arguments=lambda st: {"predicted": "n k", "target": "n k"},
        bug_point=lambda: {"predicted": normal(32, 2, 3), "target": normal(33, 2, 3)},
        generic_point=lambda: {"predicted": normal(34, 3, 2), "target": normal(35, 3, 2)},
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="fac-reg2",
        source=(
            "jingtinghuang/CS231n-Spring-2017#3, bruceoutdoors/CS231n#9, "
            "cs231n/cs231n.github.io#253"
        ),
        cls="constant factor on a term too small to see",
        bug="the gradient of the penalty lacks its factor 2",
        forward=ridge,
        right_backward=ridge_right,
        wrong_backward=ridge_wrong,
        arguments=lambda st: {
            "w": "d",
            "x": "n d",
            "y": "n",
            "reg": hyp.sampled_from([0.0, 5e-6, 1e-3, 0.1, 1.0, 10.0]),
        },
        bug_point=lambda: {
            "w": normal(36, 3),
            "x": normal(37, 4, 3),
            "y": normal(38, 4),
            "reg": 1.0,
        },
        generic_point=lambda: {
            "w": normal(39, 3),
            "x": normal(40, 4, 3),
            "y": normal(41, 4),
            "reg": 0.3,
        },
        diagnosis=("missing-term", "constant-factor"),
    ),
    Twin(
        id="fac-l2dist",
        source="torch/DEPRECEATED-torch7-distro#48",
        cls="missing factor",
        bug="the gradient of a distance is not divided by the distance",
        forward=distance,
        right_backward=distance_right,
        wrong_backward=distance_wrong,
        arguments=lambda st: {"a": "n d", "b": "n d"},
        bug_point=lambda: {"a": normal(42, 2, 3), "b": normal(43, 2, 3)},
        generic_point=lambda: {"a": normal(44, 2, 3), "b": normal(45, 2, 3)},
        diagnosis=("wrong-factor",),
    ),
    Twin(
        id="sign-docs",
        source="jax-ml/jax#3213",
        cls="sign",
        bug="minus where the derivative of sin(x) * y by y has none",
        forward=sine_times,
        right_backward=sine_times_right,
        wrong_backward=sine_times_wrong,
        arguments=lambda st: {"x": "n", "y": "n"},
        bug_point=lambda: {"x": normal(46, 3), "y": normal(47, 3)},
        generic_point=lambda: {"x": normal(48, 3), "y": normal(49, 3)},
        diagnosis=("sign-flipped",),
    ),
    Twin(
        id="sign-sub",
        source="KhawajaAbaid/micrograd_c#1",
        cls="sign",
        bug="a - b gives plus the gradient to both operands",
        forward=subtract,
        right_backward=subtract_right,
        wrong_backward=subtract_wrong,
        arguments=lambda st: {"a": "n", "b": "n"},
        bug_point=lambda: {"a": normal(50, 3), "b": normal(51, 3)},
        generic_point=lambda: {"a": normal(52, 3), "b": normal(53, 3)},
        diagnosis=("sign-flipped",),
    ),
)
