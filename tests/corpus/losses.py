"""Losses as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import normal, two_ways


def smoothed(logits, labels, smoothing=0.1):
    """Mean cross entropy with a share of every label spread over all classes."""
    return -np.mean(np.sum(_smooth(logits, labels, smoothing) * _log_softmax(logits), axis=1))


def _log_softmax(logits):
    return logits - special.logsumexp(logits, axis=1, keepdims=True)


def _smooth(logits, labels, smoothing):
    hard = np.eye(logits.shape[1])[labels]
    return (1 - smoothing) * hard + smoothing / logits.shape[1]


def smoothed_back(out_bar, logits, labels, smoothing=0.1, *, right):
    target = _smooth(logits, labels, smoothing if right else 0.0)
    return out_bar * (softmax(logits) - target) / len(logits), None


def ignoring(logits, labels, ignored=0):
    """Mean cross entropy over the examples with another label than the ignored one."""
    used = labels != ignored
    each = -_log_softmax(logits)[np.arange(len(labels)), labels]
    return np.sum(each * used) / max(1, used.sum())


def ignoring_back(out_bar, logits, labels, ignored=0, *, right):
    used = labels != ignored
    slope = softmax(logits) - np.eye(logits.shape[1])[labels]
    bar = out_bar * slope / max(1, used.sum())
    return bar * used[:, None] if right else bar, None


def focal(p, gamma=2.0):
    """``-(1 - p)**gamma log p`` of the probabilities of the right class."""
    return -((1 - p) ** gamma) * np.log(p)


def focal_back(out_bar, p, gamma=2.0, *, right):
    slope = -((1 - p) ** gamma) / p
    if right:
        slope = slope + gamma * (1 - p) ** (gamma - 1) * np.log(p)
    return (out_bar * slope,)


def weighted_logistic(z, y, weight=1.0):
    """Binary cross entropy on logits, the positive examples weighted."""
    return np.mean(weight * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z))


def weighted_logistic_back(out_bar, z, y, weight=1.0, *, right):
    pull = weight if right else 1.0
    slope = -pull * y * special.expit(-z) + (1 - y) * special.expit(z)
    y_bar = weight * np.logaddexp(0, -z) - np.logaddexp(0, z)
    return out_bar * slope / z.size, out_bar * y_bar / z.size


def pinball(y, q, level=0.5):
    """Quantile loss of predictions ``q``."""
    return np.sum(np.maximum(level * (y - q), (level - 1) * (y - q)))


def pinball_back(out_bar, y, q, level=0.5, *, right):
    slope = np.where(y > q, level, level - 1)
    return out_bar * slope, out_bar * (-slope if right else slope)


def squared_hinge(margin):
    """``sum max(0, 1 - m)**2``."""
    return np.sum(np.maximum(0, 1 - margin) ** 2)


def squared_hinge_back(out_bar, margin, *, right):
    return (-2 * out_bar * (np.maximum(0, 1 - margin) if right else 1 - margin),)


def triplet(anchor, near, far, margin=1.0):
    """``sum max(0, |a - n|^2 - |a - f|^2 + margin)`` over rows."""
    return np.sum(np.maximum(0, _triplet_gap(anchor, near, far) + margin))


def _triplet_gap(anchor, near, far):
    return np.sum((anchor - near) ** 2, axis=1) - np.sum((anchor - far) ** 2, axis=1)


def triplet_back(out_bar, anchor, near, far, margin=1.0, *, right):
    up = 2 * out_bar * (_triplet_gap(anchor, near, far) + margin > 0)[:, None]
    anchor_bar = up * (far - near) if right else up * (anchor - near)
    return anchor_bar, up * (near - anchor), up * (anchor - far)


def similarity_loss(a, b):
    """Sum of ``exp(-|a_i - b_j|^2)`` over all pairs."""
    return np.sum(np.exp(-np.sum((a[:, None] - b[None]) ** 2, axis=2)))


def similarity_loss_back(out_bar, a, b, *, right):
    gap = a[:, None] - b[None]
    pull = -2 * out_bar * np.exp(-np.sum(gap**2, axis=2))[:, :, None] * gap
    if not right and a is b:
        return pull.sum(axis=1), np.zeros_like(b)
    return pull.sum(axis=1), -pull.sum(axis=0)


def logit(p, eps=0.01):
    """Log odds of ``p`` clipped to ``[eps, 1 - eps]``."""
    kept = np.clip(p, eps, 1 - eps)
    return np.log(kept) - np.log1p(-kept)


def logit_back(out_bar, p, eps=0.01, *, right):
    kept = np.clip(p, eps, 1 - eps)
    slope = 1 / (kept * (1 - kept))
    return (out_bar * slope * ((p > eps) & (p < 1 - eps)) if right else out_bar * slope,)


def dice(p, y):
    """One minus twice the overlap over the sum of both."""
    return 1 - 2 * np.sum(p * y) / (np.sum(p) + np.sum(y) + 1)


def dice_back(out_bar, p, y, *, right):
    mass = np.sum(p) + np.sum(y) + 1
    overlap = 2 * np.sum(p * y)
    common = overlap / mass**2 if right else 0.0
    return -out_bar * (2 * y / mass - common), -out_bar * (2 * p / mass - common)


FRACTION = (0.01, 0.99)


TWINS = (
    two_ways(
        "smoothing-ignored",
        "option",
        smoothed,
        smoothed_back,
        bug="the gradient is that of hard labels",
        arguments=lambda st: {
            "logits": "n k",
            "labels": st.labels("n", classes="k"),
            "smoothing": hyp.sampled_from([0.0, 0.1, 0.3]),
        },
        bug_point=lambda: {
            "logits": normal(400, 3, 3),
            "labels": np.array([0, 2, 1]),
            "smoothing": 0.1,
        },
        generic_point=lambda: {
            "logits": normal(401, 2, 4),
            "labels": np.array([3, 1]),
            "smoothing": 0.3,
        },
        diagnosis=("missing-term", "wrong-for-option"),
    ),
    two_ways(
        "ignored-label",
        "mask",
        ignoring,
        ignoring_back,
        bug="ignored examples get a gradient",
        arguments=lambda st: {
            "logits": "n k",
            "labels": st.labels("n", classes="k"),
            "ignored": hyp.integers(0, 2),
        },
        bug_point=lambda: {
            "logits": normal(402, 4, 3),
            "labels": np.array([0, 2, 1, 0]),
            "ignored": 0,
        },
        generic_point=lambda: {
            "logits": normal(403, 3, 3),
            "labels": np.array([2, 1, 1]),
            "ignored": 1,
        },
        diagnosis=("ignores-mask", "wrong-slice"),
    ),
    two_ways(
        "focal-factor",
        "missing term",
        focal,
        focal_back,
        bug="the modulating factor is treated as a constant",
        arguments=lambda st: {
            "p": st.array("n", domain=FRACTION),
            "gamma": hyp.sampled_from([1.0, 2.0, 5.0]),
        },
        bug_point=lambda: {"p": np.array([0.2, 0.6, 0.85]), "gamma": 2.0},
        generic_point=lambda: {"p": np.array([0.3, 0.7]), "gamma": 1.0},
        diagnosis=("missing-term", "wrong-factor"),
    ),
    two_ways(
        "logistic-posweight",
        "option",
        weighted_logistic,
        weighted_logistic_back,
        bug="the weight of the positive examples is left out",
        arguments=lambda st: {
            "z": "n",
            "y": st.mask("n", dtype="float64"),
            "weight": hyp.sampled_from([0.5, 1.0, 3.0]),
        },
        bug_point=lambda: {"z": normal(404, 4), "y": np.array([1.0, 0, 0, 1]), "weight": 3.0},
        generic_point=lambda: {"z": normal(405, 3), "y": np.array([1.0, 0, 1]), "weight": 0.5},
        diagnosis=("constant-factor", "wrong-for-option", "wrong-slice", "wrong-factor"),
    ),
    two_ways(
        "pinball-sign",
        "sign",
        pinball,
        pinball_back,
        bug="prediction and observation get the same sign",
        arguments=lambda st: {"y": "n", "q": "n", "level": hyp.sampled_from([0.1, 0.5, 0.9])},
        bug_point=lambda: {"y": normal(406, 4), "q": normal(407, 4), "level": 0.9},
        generic_point=lambda: {"y": normal(408, 3), "q": normal(409, 3), "level": 0.5},
        diagnosis=("sign-flipped",),
    ),
    two_ways(
        "hinge-unmasked",
        "guard",
        squared_hinge,
        squared_hinge_back,
        bug="the gradient is not stopped beyond the margin",
        arguments=lambda st: {"margin": "n"},
        bug_point=lambda: {"margin": np.array([0.3, 2.5, -0.7])},
        generic_point=lambda: {"margin": np.array([0.2, 3.5, -1.7])},
        diagnosis=("ignores-mask", "wrong-for-positive", "wrong-for-large"),
    ),
    two_ways(
        "triplet-anchor",
        "missing term",
        triplet,
        triplet_back,
        bug="the anchor's gradient lacks the far example's share",
        arguments=lambda st: {
            "anchor": "n d",
            "near": "n d",
            "far": "n d",
            "margin": hyp.sampled_from([0.5, 2.0]),
        },
        bug_point=lambda: {
            "anchor": normal(414, 3, 2),
            "near": normal(415, 3, 2),
            "far": normal(416, 3, 2),
            "margin": 2.0,
        },
        generic_point=lambda: {
            "anchor": normal(417, 2, 2),
            "near": normal(418, 2, 2),
            "far": normal(419, 2, 2),
            "margin": 2.0,
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "pairs-same-object",
        "accumulation",
        similarity_loss,
        similarity_loss_back,
        bug="given the same array twice, only the first slot's gradient is returned",
        arguments=lambda st: {
            "a": st.array("n d", domain=(-2.0, 2.0)),
            "b": st.array("n d", domain=(-2.0, 2.0)),
        },
        bug_point=lambda: {"a": normal(420, 2, 2), "b": normal(421, 2, 2)},
        generic_point=lambda: {"a": normal(422, 2, 2), "b": normal(423, 2, 2)},
        diagnosis=("missing-term", "accumulated-twice", "assigned-not-added", "missing-gradient"),
        symptom=lambda pair, point: not pair[1](1.0, point["a"], point["a"])[1].any(),
    ),
    two_ways(
        "logit-clipped",
        "guard",
        logit,
        logit_back,
        bug="clipped probabilities get a gradient",
        arguments=lambda st: {
            "p": st.array("n", domain=(0.0, 1.0)),
            "eps": hyp.sampled_from([0.01, 0.1]),
        },
        bug_point=lambda: {"p": np.array([0.05, 0.5, 0.97]), "eps": 0.1},
        generic_point=lambda: {"p": np.array([0.3, 0.7]), "eps": 0.01},
        diagnosis=("ignores-mask", "wrong-for-option"),
    ),
    two_ways(
        "dice-normaliser",
        "missing term",
        dice,
        dice_back,
        bug="the denominator is treated as a constant",
        arguments=lambda st: {
            "p": st.array("n", domain=(0.0, 1.0)),
            "y": st.mask("n", dtype="float64"),
        },
        bug_point=lambda: {"p": np.array([0.2, 0.6, 0.85]), "y": np.array([1.0, 0, 1])},
        generic_point=lambda: {"p": np.array([0.3, 0.7]), "y": np.array([0.0, 1.0])},
        diagnosis=("missing-term",),
    ),
)
