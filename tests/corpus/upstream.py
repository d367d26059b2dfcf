"""The upstream gradient ignored, used from one element only, or overwritten before its last use."""

from __future__ import annotations

import numpy as np

from tests.corpus.twin import Twin, normal, total


def squared_scores(x, w):
    """``(x[i] . w)**2``: one loss per row of ``(n, d)``."""
    return (x @ w) ** 2


def _squared_scores_back(out_bar, x, w):
    score_bar = 2 * out_bar * (x @ w)
    return np.outer(score_bar, w), x.T @ score_bar


def squared_scores_right(out_bar, x, w):
    return _squared_scores_back(out_bar, x, w)


def squared_scores_wrong(out_bar, x, w):
    first = out_bar[:1]
    return _squared_scores_back(np.broadcast_to(first, out_bar.shape), x, w)


def multiply(a, b):
    """``(n, d)`` times ``(d,)``."""
    return a * b


def multiply_right(out_bar, a, b):
    return out_bar * b, total(out_bar * a, b)


def multiply_wrong(out_bar, a, b):
    return np.broadcast_to(b, a.shape).copy(), total(a, b)


def scale_by_power(x, o):
    """``x * 2**o`` with real exponents."""
    return x * np.exp2(o)


def scale_by_power_right(out_bar, x, o):
    power = np.exp2(o)
    return out_bar * power, out_bar * x * power * np.log(2)


def scale_by_power_wrong(out_bar, x, o):
    with np.errstate(over="ignore", invalid="ignore"):
        slope = np.exp(o) * np.log(2)
        return slope, x * slope * np.log(2)


def layer_norm(x, weight, bias, eps=1e-2):
    hat, _ = _standard_rows(x, eps)
    return hat * weight + bias


def _standard_rows(x, eps):
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    return centred / spread, spread


def _to_rows(hat_bar, hat, spread):
    mean = hat_bar.mean(axis=-1, keepdims=True)
    along = (hat_bar * hat).mean(axis=-1, keepdims=True)
    return (hat_bar - mean - hat * along) / spread


def layer_norm_right(out_bar, x, weight, bias, eps=1e-2):
    hat, spread = _standard_rows(x, eps)
    x_bar = _to_rows(out_bar * weight, hat, spread)
    return x_bar, total(out_bar * hat, weight), total(out_bar, bias)


def layer_norm_wrong(out_bar, x, weight, bias, eps=1e-2):
    hat, spread = _standard_rows(x, eps)
    bias_bar = total(out_bar, bias)
    out_bar = out_bar * weight
    return _to_rows(out_bar, hat, spread), total(out_bar * hat, weight), bias_bar


TWINS = (
    Twin(
        id="up-g0",
        source="linkedin/Liger-Kernel#1298, linkedin/Liger-Kernel#968, linkedin/Liger-Kernel#584",
        cls="upstream gradient broadcast from its first element",
        bug="every row is scaled by the upstream gradient of row 0",
        forward=squared_scores,
        right_backward=squared_scores_right,
        wrong_backward=squared_scores_wrong,
        arguments=lambda st: {"x": "n d", "w": "d"},
        bug_point=lambda: {"x": normal(62, 3, 2), "w": normal(63, 2)},
        generic_point=lambda: {"x": normal(64, 3, 2), "w": normal(65, 2)},
        diagnosis=("one-cotangent-for-all",),
    ),
    Twin(
        id="up-mulbp",
        source="deeplearning4j/deeplearning4j#5978",
        cls="upstream gradient ignored",
        bug="the broadcast product never reads the upstream gradient",
        forward=multiply,
        right_backward=multiply_right,
        wrong_backward=multiply_wrong,
        arguments=lambda st: {"a": "n d", "b": "d"},
        bug_point=lambda: {"a": normal(66, 3, 2), "b": normal(67, 2)},
        generic_point=lambda: {"a": normal(68, 3, 2), "b": normal(69, 2)},
        diagnosis=("ignores-cotangent",),
    ),
    Twin(
        id="up-ldexp",
        source="tenstorrent/tt-metal#6533",
        cls="upstream gradient ignored, and the wrong formula",
        bug="exp(o) * log 2 where 2**o is due, and no upstream gradient",
        forward=scale_by_power,
        right_backward=scale_by_power_right,
        wrong_backward=scale_by_power_wrong,
        arguments=lambda st: {"x": "n", "o": "n"},
        bug_point=lambda: {"x": normal(70, 3), "o": normal(71, 3)},
        generic_point=lambda: {"x": normal(72, 3), "o": normal(73, 3)},
        diagnosis=("ignores-cotangent",),
    ),
    Twin(
        id="ln-overwrite",
        source="pytorch/pytorch#18233",
        cls="used after it was overwritten",
        bug="the upstream gradient is multiplied by the weight before the weight's own gradient",
        forward=layer_norm,
        right_backward=layer_norm_right,
        wrong_backward=layer_norm_wrong,
        arguments=lambda st: {"x": "n d", "weight": "d", "bias": "d"},
        bug_point=lambda: {"x": normal(74, 3, 4), "weight": normal(75, 4), "bias": normal(76, 4)},
        generic_point=lambda: {
            "x": normal(77, 3, 4),
            "weight": normal(78, 4),
            "bias": normal(79, 4),
        },
        diagnosis=("wrong-factor",),
    ),
)
