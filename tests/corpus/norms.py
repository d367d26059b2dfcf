"""Normalisations as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import normal, two_ways

MODERATE = (-50.0, 50.0)


def _standard(x, axis, eps):
    centred = x - x.mean(axis=axis, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=axis, keepdims=True) + eps)
    return centred / spread, spread


def _standard_back(hat_bar, hat, spread, axis, *, mean=1, along=1):
    inner = mean * hat_bar.mean(axis=axis, keepdims=True)
    inner = inner + along * hat * (hat_bar * hat).mean(axis=axis, keepdims=True)
    return (hat_bar - inner) / spread


def layer_norm(x, weight, bias, eps=1e-5):
    """The last axis of (n, d) standardised, scaled and shifted."""
    return _standard(x, -1, eps)[0] * weight + bias


def layer_norm_back(out_bar, x, weight, bias, eps=1e-5, *, right):
    hat, spread = _standard(x, -1, eps)
    x_bar = _standard_back(out_bar * weight, hat, spread, -1, mean=1 if right else 0)
    return x_bar, (out_bar * hat).sum(axis=0), out_bar.sum(axis=0)


def instance_norm(x, eps=1e-3):
    """Each channel of each image (n, c, h, w) standardised."""
    return _standard(x, (2, 3), eps)[0]


def instance_norm_back(out_bar, x, eps=1e-3, *, right):
    hat, spread = _standard(x, (2, 3), eps)
    if right:
        return (_standard_back(out_bar, hat, spread, (2, 3)),)
    count = x.shape[3]
    inner = out_bar.sum(axis=(2, 3), keepdims=True) / count
    inner = inner + hat * (out_bar * hat).sum(axis=(2, 3), keepdims=True) / count
    return ((out_bar - inner) / spread,)


def rms_norm(x, weight, eps=1e-3):
    """Rows of (n, d) divided by their root mean square, and scaled."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * weight


def rms_norm_back(out_bar, x, weight, eps=1e-3, *, right):
    root = np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)
    hat = x / root
    hat_bar = out_bar * weight
    along = ((hat_bar if right else out_bar) * hat).mean(axis=-1, keepdims=True)
    return (hat_bar - hat * along) / root, (out_bar * hat).sum(axis=0)


def damped_norm(x, eps=1e-5):
    """Rows of (n, d) divided by the root of their mean square plus a small number."""
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps)


def damped_norm_back(out_bar, x, eps=1e-5, *, right):
    square = (x**2).mean(axis=-1, keepdims=True)
    root = np.sqrt(square + eps)
    along = (out_bar * x).mean(axis=-1, keepdims=True)
    if right:
        return (out_bar / root - x * (along / root**2 / root),)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar / root - x * (along / square / root),)


def batch_norm(x, mean, variance, training=True, eps=1e-2):
    """Columns of (n, d) standardised, by their own moments or by those given."""
    if training:
        return _standard(x, 0, eps)[0]
    return (x - mean) / np.sqrt(variance + eps)


def batch_norm_back(out_bar, x, mean, variance, training=True, eps=1e-2, *, right):
    if training or not right:
        hat, spread = _standard(x, 0, eps)
        x_bar = _standard_back(out_bar, hat, spread, 0)
        return x_bar, np.zeros_like(mean), np.zeros_like(variance)
    spread = np.sqrt(variance + eps)
    hat = (x - mean) / spread
    mean_bar = -out_bar.sum(axis=0) / spread
    return out_bar / spread, mean_bar, -(out_bar * hat).sum(axis=0) / spread**2 / 2


def penalty(x, margin=1.0):
    """Mean of ``max(0, margin - |row|)**2``, as a gradient penalty has it."""
    return (np.maximum(0.0, np.sqrt((x**2).sum(axis=1)) - margin) ** 2).mean()


def penalty_back(out_bar, x, margin=1.0, *, right):
    size = np.sqrt((x**2).sum(axis=1, keepdims=True))
    short = np.where(size == 0, 1.0, size) if right else size
    with np.errstate(divide="ignore", invalid="ignore"):
        return (2 * out_bar * np.maximum(0.0, size - margin) * x / short / len(x),)


def weight_norm(v, g, x):
    """``x w`` with the weight's columns ``g v / |v|``."""
    return x @ (g * v / np.sqrt((v**2).sum(axis=0) + 1e-3))


def weight_norm_back(out_bar, v, g, x, *, right):
    size = np.sqrt((v**2).sum(axis=0) + 1e-3)
    unit = v / size
    w_bar = x.T @ out_bar
    g_bar = (w_bar * unit).sum(axis=0)
    return g * (w_bar - right * g_bar * unit) / size, g_bar, out_bar @ (g * unit).T


TWINS = (
    two_ways(
        "layernorm-mean",
        "missing term",
        layer_norm,
        layer_norm_back,
        bug="the mean is treated as a constant",
        arguments=lambda st: {
            "x": st.array("n d", domain=MODERATE),
            "weight": "d",
            "bias": "d",
        },
        bug_point=lambda: {"x": normal(240, 2, 4), "weight": normal(241, 4), "bias": normal(1, 4)},
        generic_point=lambda: {
            "x": normal(242, 3, 3),
            "weight": normal(243, 3),
            "bias": normal(2, 3),
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "instancenorm-count",
        "constant",
        instance_norm,
        instance_norm_back,
        bug="the moments' gradients are divided by the width, not by height times width",
        arguments=lambda st: {
            "x": st.array("n c h w", domain=MODERATE),
            "eps": hyp.sampled_from([1e-3, 1e-1]),
        },
        bug_point=lambda: {"x": normal(244, 1, 2, 3, 2), "eps": 1e-3},
        generic_point=lambda: {"x": normal(245, 2, 1, 2, 3), "eps": 1e-1},
        diagnosis=("missing-term", "constant-factor"),
    ),
    two_ways(
        "rmsnorm-weight",
        "hidden by initialisation",
        rms_norm,
        rms_norm_back,
        bug="the root's gradient lacks the weight, which starts at 1",
        arguments=lambda st: {"x": st.array("n d", domain=MODERATE), "weight": "d"},
        bug_point=lambda: {"x": normal(246, 2, 3), "weight": normal(247, 3)},
        generic_point=lambda: {"x": normal(248, 2, 3), "weight": normal(249, 3)},
        diagnosis=("missing-term", "wrong-factor"),
    ),
    two_ways(
        "rmsnorm-eps",
        "hidden by a negligible number",
        damped_norm,
        damped_norm_back,
        bug="eps is left out of the quotient's gradient",
        arguments=lambda st: {
            "x": st.array("n d", domain=MODERATE),
            "eps": hyp.sampled_from([1e-5, 1e-2, 1.0]),
        },
        bug_point=lambda: {"x": normal(250, 2, 3), "eps": 1e-2},
        generic_point=lambda: {"x": normal(251, 2, 3), "eps": 1.0},
        diagnosis=("missing-term", "wrong-factor", "wrong-for-option", "singular-at-zero"),
    ),
    two_ways(
        "batchnorm-eval",
        "option",
        batch_norm,
        batch_norm_back,
        bug="the backward of training is used in evaluation",
        arguments=lambda st: {
            "x": st.array("n d", domain=MODERATE),
            "mean": "d",
            "variance": st.positive("d"),
            "training": hyp.booleans(),
        },
        bug_point=lambda: {
            "x": normal(252, 4, 2),
            "mean": normal(253, 2),
            "variance": np.array([0.7, 1.9]),
            "training": False,
        },
        generic_point=lambda: {
            "x": normal(254, 4, 2),
            "mean": normal(255, 2),
            "variance": np.array([0.5, 1.3]),
            "training": True,
        },
        diagnosis=("wrong-for-option", "missing-gradient", "missing-term"),
    ),
    two_ways(
        "penalty-zero-row",
        "exact zero",
        penalty,
        penalty_back,
        bug="x / |x| in a row of zeros, where the penalty is flat",
        arguments=lambda st: {"x": "n d", "margin": hyp.sampled_from([0.5, 1.0])},
        bug_point=lambda: {"x": np.array([[0.0, 0.0], [2.0, -1.0]]), "margin": 1.0},
        generic_point=lambda: {"x": normal(256, 3, 2), "margin": 0.5},
        diagnosis=("singular-at-zero",),
    ),
    two_ways(
        "weightnorm-length",
        "missing term",
        weight_norm,
        weight_norm_back,
        bug="the lengths of the columns are treated as constants",
        arguments=lambda st: {"v": st.array("d k", domain=MODERATE), "g": "k", "x": "n d"},
        bug_point=lambda: {"v": normal(257, 3, 2), "g": normal(258, 2), "x": normal(259, 2, 3)},
        generic_point=lambda: {
            "v": normal(260, 3, 2),
            "g": normal(261, 2),
            "x": normal(262, 2, 3),
        },
        diagnosis=("missing-term",),
    ),
)
