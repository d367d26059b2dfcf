"""Attention and activations as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import normal, two_ways

MODERATE = (-50.0, 50.0)


def masked_softmax(x, mask):
    """Softmax over the entries of each row where the mask is set; zero where it never is."""
    return _masked_shares(x, mask)


def _masked_shares(x, mask):
    shifted = np.where(mask, x, -np.inf)
    top = shifted.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(shifted - np.where(np.isfinite(top), top, 0.0))
    mass = weights.sum(axis=1, keepdims=True)
    return weights / np.where(mass > 0, mass, 1.0)


def masked_softmax_back(out_bar, x, mask, *, right):
    # A large negative number gives a row without any entry equal shares.
    y = _masked_shares(x, mask) if right else softmax(np.where(mask, x, -1e9))
    return y * (out_bar - (out_bar * y).sum(axis=1, keepdims=True)), None


def grouped_query(q, k, scale=1.0):
    """Scores (h, g, t, s) of grouped queries (h, g, t, d) with the keys (h, s, d) they share."""
    return scale * np.einsum("hgtd,hsd->hgts", q, k)


def grouped_query_back(out_bar, q, k, scale=1.0, *, right):
    k_bar = scale * np.einsum("hgts,hgtd->hgsd", out_bar, q)
    q_bar = scale * np.einsum("hgts,hsd->hgtd", out_bar, k)
    return q_bar, k_bar.sum(axis=1) if right else k_bar[:, 0].copy()


def split_heads(x, w, heads=2):
    """``x w`` of (t, d) split into heads: (heads, t, d / heads)."""
    if w.shape[1] % heads:
        raise ValueError("the width is no multiple of the heads")
    return (x @ w).reshape(len(x), heads, -1).transpose(1, 0, 2)


def split_heads_back(out_bar, x, w, heads=2, *, right):
    joined = out_bar.transpose(1, 0, 2) if right else out_bar
    z_bar = joined.reshape(len(x), w.shape[1])
    return z_bar @ w.T, x.T @ z_bar


def rotary(x, angle):
    """Pairs of (t, 2) rotated by angles (t,)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[:, 0] - s * x[:, 1], s * x[:, 0] + c * x[:, 1]], axis=1)


def rotary_back(out_bar, x, angle, *, right):
    c, s = np.cos(angle), np.sin(angle)
    a, b = out_bar.T
    x_bar = np.stack([c * a + s * b, (c * b - s * a) if right else (s * a - c * b)], axis=1)
    angle_bar = a * (-s * x[:, 0] - c * x[:, 1]) + b * (c * x[:, 0] - s * x[:, 1])
    return x_bar, angle_bar


def causal_mean(x):
    """Mean of each row of (t, d) and those before it."""
    return np.cumsum(x, axis=0) / np.arange(1, len(x) + 1)[:, None]


def causal_mean_back(out_bar, x, *, right):
    each = out_bar / np.arange(1, len(x) + 1)[:, None]
    return (np.cumsum(each[::-1], axis=0)[::-1].copy() if right else np.cumsum(each, axis=0),)


def gelu(x):
    """``x`` times the normal distribution function of ``x``, as tanh approximates it."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_back(out_bar, x, *, right):
    root = np.sqrt(2 / np.pi) if right else 0.7978
    t = np.tanh(root * (x + 0.044715 * x**3))
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * root * (1 + 3 * 0.044715 * x**2)
    return (out_bar * slope,)


def swish_layer(x, w):
    z = x @ w
    return z * special.expit(z)


def swish_layer_back(out_bar, x, w, *, right):
    z = x @ w
    at = z if right else z * special.expit(z)
    gate = special.expit(at)
    z_bar = out_bar * gate * (1 + at * special.expit(-at))
    return z_bar @ w.T, x.T @ z_bar


TWINS = (
    two_ways(
        "softmax-empty-row",
        "mask",
        masked_softmax,
        masked_softmax_back,
        bug="a row that is masked entirely gets the gradient of equal shares",
        arguments=lambda st: {"x": "n k", "mask": st.mask("n k")},
        bug_point=lambda: {
            "x": normal(263, 2, 3),
            "mask": np.array([[True, True, False], [False, False, False]]),
        },
        generic_point=lambda: {
            "x": normal(264, 2, 3),
            "mask": np.array([[True, True, False], [False, True, True]]),
        },
        diagnosis=("ignores-mask", "wrong-slice", "wrong-for-option"),
    ),
    two_ways(
        "gqa-unsummed",
        "broadcast",
        grouped_query,
        grouped_query_back,
        bug="keys shared by several queries get the gradient of the first one",
        arguments=lambda st: {
            "q": "h g t d",
            "k": "h s d",
            "scale": hyp.sampled_from([0.5, 1.0]),
            "axes": {"h": (1, 3), "g": (1, 3)},
        },
        bug_point=lambda: {"q": normal(265, 1, 3, 2, 2), "k": normal(266, 1, 3, 2), "scale": 0.5},
        generic_point=lambda: {
            "q": normal(267, 2, 2, 1, 2),
            "k": normal(268, 2, 3, 2),
            "scale": 1.0,
        },
        diagnosis=("broadcast-not-summed", "missing-term"),
    ),
    two_ways(
        "heads-untransposed",
        "wrong axis",
        split_heads,
        split_heads_back,
        bug="heads and time are not exchanged before they are merged",
        arguments=lambda st: {"x": "t d", "w": "d e", "heads": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(269, 3, 2), "w": normal(270, 2, 4), "heads": 2},
        generic_point=lambda: {"x": normal(271, 2, 3), "w": normal(272, 3, 6), "heads": 3},
        diagnosis=("misaligned", "transposed", "missing-term"),
    ),
    two_ways(
        "rotary-sign",
        "sign",
        rotary,
        rotary_back,
        bug="the second coordinate gets minus its gradient",
        arguments=lambda st: {"x": "t 2", "angle": st.array("t", domain=(-10.0, 10.0))},
        bug_point=lambda: {"x": normal(273, 3, 2), "angle": normal(274, 3)},
        generic_point=lambda: {"x": normal(275, 2, 2), "angle": normal(276, 2)},
        diagnosis=("sign-flipped", "wrong-slice"),
    ),
    two_ways(
        "causalmean-forward",
        "missing reversal",
        causal_mean,
        causal_mean_back,
        bug="the gradient is summed from the front, where it must be from the back",
        arguments=lambda st: {"x": "t d"},
        bug_point=lambda: {"x": normal(277, 4, 2)},
        generic_point=lambda: {"x": normal(278, 3, 2)},
        diagnosis=("misaligned", "missing-term", "missing-recurrence"),
    ),
    two_ways(
        "gelu-constant",
        "rounded constant",
        gelu,
        gelu_back,
        bug="sqrt(2 / pi) is rounded to four digits",
        arguments=lambda st: {"x": st.array("n", domain=MODERATE)},
        bug_point=lambda: {"x": normal(279, 4)},
        generic_point=lambda: {"x": normal(280, 3)},
        diagnosis=("low-precision", "wrong-factor", "missing-term"),
    ),
    two_ways(
        "swish-output",
        "derivative at the output",
        swish_layer,
        swish_layer_back,
        bug="swish' is evaluated at swish(z) instead of z",
        arguments=lambda st: {
            "x": st.array("n d", domain=(-8.0, 8.0)),
            "w": st.array("d k", domain=(-2.0, 2.0)),
        },
        bug_point=lambda: {"x": normal(281, 2, 3), "w": normal(282, 3, 2)},
        generic_point=lambda: {"x": normal(283, 2, 3), "w": normal(284, 3, 2)},
        diagnosis=("derivative-at-output", "wrong-factor"),
    ),
)
