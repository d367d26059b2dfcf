"""Layers as they are written in NumPy: gates, activations, pooling, rearrangements."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.twin import normal, two_ways

MODERATE = (-8.0, 8.0)


def gated_halves(x):
    """GLU: the first half of each row times the sigmoid of the second."""
    a, b = np.split(x, 2, axis=1)
    return a * special.expit(b)


def gated_halves_back(out_bar, x, *, right):
    a, b = np.split(x, 2, axis=1)
    gate = special.expit(b)
    parts = [out_bar * gate, out_bar * a * gate * special.expit(-b)]
    return (np.concatenate(parts if right else parts[::-1], axis=1),)


def mish(x):
    return x * np.tanh(np.logaddexp(0, x))


def mish_back(out_bar, x, *, right):
    inner = np.tanh(np.logaddexp(0, x))
    slope = inner + (x * (1 - inner**2) * special.expit(x) if right else 0)
    return (out_bar * slope,)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_back(out_bar, x, alpha=1.0, *, right):
    y = elu(x, alpha)
    return (out_bar * np.where(x > 0, 1.0, y + (alpha if right else 1.0)),)


def hard_sigmoid(x):
    return np.clip(x / 6 + 0.5, 0, 1)


def hard_sigmoid_back(out_bar, x, *, right):
    inside = (x > -3) & (x < 3)
    return (out_bar / 6 * (inside if right else 1.0),)


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(x):
    return SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))


def selu_back(out_bar, x, *, right):
    scale = SCALE if right else 1.0507
    return (out_bar * scale * np.where(x > 0, 1.0, ALPHA * np.exp(np.minimum(x, 0))),)


def maxout(x):
    """The largest of the k pieces of every unit: (n, d, k) to (n, d)."""
    return x.max(axis=2)


def maxout_back(out_bar, x, *, right):
    if right:
        hit = np.arange(x.shape[2]) == x.argmax(axis=2)[..., None]
    else:
        hit = x == x.max(axis=2, keepdims=True)
    return (out_bar[..., None] * hit,)


def limited_rows(table, limit=1.0):
    """Rows longer than the limit are shortened to it."""
    length = np.sqrt(np.sum(table**2, axis=1, keepdims=True))
    return table * np.where(length > limit, limit / np.maximum(length, limit), 1.0)


def limited_rows_back(out_bar, table, limit=1.0, *, right):
    length = np.sqrt(np.sum(table**2, axis=1, keepdims=True))
    longer = length > limit
    factor = np.where(longer, limit / np.maximum(length, limit), 1.0)
    unit = table / np.maximum(length, limit)
    along = np.sum(out_bar * unit, axis=1, keepdims=True) * unit
    return (out_bar * factor - (longer * factor * along if right else 0),)


def adapted(x, w, a, b, alpha=8.0):
    """LoRA: ``x w + alpha / r (x a) b`` with r columns in a."""
    return x @ w + alpha / a.shape[1] * (x @ a) @ b


def adapted_back(out_bar, x, w, a, b, alpha=8.0, *, right):
    scale = alpha / a.shape[1]
    inner = out_bar @ b.T
    return (
        out_bar @ w.T + scale * inner @ a.T,
        x.T @ out_bar,
        (scale if right else 1.0) * x.T @ inner,
        scale * (x @ a).T @ out_bar,
    )


def excited(x):
    """Squeeze and excite: channels (n, c, t) times the sigmoid of their mean."""
    return x * special.expit(x.mean(axis=2, keepdims=True))


def excited_back(out_bar, x, *, right):
    mean = x.mean(axis=2, keepdims=True)
    gate = special.expit(mean)
    through = np.sum(out_bar * x, axis=2, keepdims=True) * gate * special.expit(-mean)
    return (out_bar * gate + (through / x.shape[2] if right else 0),)


def shuffled(x, r=2):
    """Depth to space: (c r r, h, w) to (c, h r, w r)."""
    c, h, w = x.shape[0] // (r * r), x.shape[1], x.shape[2]
    return x.reshape(c, r, r, h, w).transpose(0, 3, 1, 4, 2).reshape(c, h * r, w * r)


def shuffled_back(out_bar, x, r=2, *, right):
    c, h, w = x.shape[0] // (r * r), x.shape[1], x.shape[2]
    order = (0, 2, 4, 1, 3) if right else (0, 4, 2, 1, 3)
    return (out_bar.reshape(c, h, r, w, r).transpose(order).reshape(x.shape).copy(),)


def local_response(x, k=2.0, alpha=0.3, reach=1):
    """Local response normalisation over channels (n, c), with exponent 3/4."""
    return x / _lrn_base(x, k, alpha, reach) ** 0.75


def _neighbours(c, reach):
    i = np.arange(c)
    return (np.abs(i[:, None] - i[None]) <= reach).astype(float)


def _lrn_base(x, k, alpha, reach):
    return k + alpha * (x**2) @ _neighbours(x.shape[1], reach)


def local_response_back(out_bar, x, k=2.0, alpha=0.3, reach=1, *, right):
    base = _lrn_base(x, k, alpha, reach)
    inner = out_bar * x * base**-1.75
    spread = inner @ _neighbours(x.shape[1], reach) if right else inner
    return (out_bar * base**-0.75 - 1.5 * alpha * x * spread,)


def spectral(w, u, v):
    """A weight divided by its estimated spectral norm ``u w v`` (plus 1, so that it is not 0)."""
    return w / np.sqrt(1 + (u @ w @ v) ** 2)


def spectral_back(out_bar, w, u, v, *, right):
    s = u @ w @ v
    root = np.sqrt(1 + s**2)
    pull = -np.sum(out_bar * w) * s / root**3
    w_bar = out_bar / root + (pull * np.outer(u, v) if right else 0)
    return w_bar, pull * (w @ v), pull * (u @ w)


def grouped_dense(x, w):
    """Groups of columns, each with a weight of its own: (n, g, d) and (g, d, k)."""
    return np.einsum("ngd,gdk->ngk", x, w)


def grouped_dense_back(out_bar, x, w, *, right):
    x_bar = np.einsum("ngk,gdk->ngd", out_bar, w)
    w_bar = np.einsum("ngd,ngk->gdk", x, out_bar)
    return x_bar, w_bar if right else np.broadcast_to(w_bar[:1], w.shape).copy()


def causal_depthwise(x, kernel):
    """``y[t] = sum_j kernel[j] x[t - j]`` per channel: (t, c) and (k, c)."""
    y = np.zeros_like(x)
    for j in range(min(len(kernel), len(x))):
        y[j:] += kernel[j] * x[: len(x) - j]
    return y


def causal_depthwise_back(out_bar, x, kernel, *, right):
    x_bar, kernel_bar = np.zeros_like(x), np.zeros_like(kernel)
    for j in range(min(len(kernel), len(x))):
        n = len(x) - j
        x_bar[:n] += kernel[j] * out_bar[j:]
        kernel_bar[j] = np.sum(out_bar[j:] * (x[:n] if right else x[j:]), axis=0)
    return x_bar, kernel_bar


def root_pool(x, window=2):
    """L2 pooling of rows (n, length): windows side by side, the rest cut off."""
    return np.sqrt(np.sum(_cut(x, window) ** 2, axis=2))


def _cut(x, window):
    count = x.shape[1] // window
    return x[:, : count * window].reshape(len(x), count, window)


def root_pool_back(out_bar, x, window=2, *, right):
    parts = _cut(x, window)
    length = np.sqrt(np.sum(parts**2, axis=2, keepdims=True))
    if right:
        length = np.where(length == 0, 1.0, length)
    x_bar = np.zeros_like(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        part_bar = out_bar[..., None] * parts / length
    x_bar[:, : parts.shape[1] * window] = part_bar.reshape(len(x), -1)
    return (x_bar,)


def brightest(x):
    """The largest pixel of every image (n, h, w)."""
    return x.reshape(len(x), -1).max(axis=1)


def brightest_back(out_bar, x, *, right):
    n, h, w = x.shape
    place = x.reshape(n, -1).argmax(axis=1)
    row, column = divmod(place, w if right else h)
    x_bar = np.zeros_like(x)
    x_bar[np.arange(n), row % h, column % w] = out_bar
    return (x_bar,)


def adaptive_pool(x, bins=3):
    """Means over ``bins`` parts of a row, which differ in length by one at most."""
    return np.stack([part.mean(axis=1) for part in _parts(x, bins)], axis=1)


def _parts(x, bins):
    n = x.shape[1]
    return [x[:, i * n // bins : max((i + 1) * n // bins, i * n // bins + 1)] for i in range(bins)]


def adaptive_pool_back(out_bar, x, bins=3, *, right):
    x_bar = np.zeros_like(x)
    for i, part in enumerate(_parts(x_bar, bins)):
        size = part.shape[1] if right else max(1, x.shape[1] // bins)
        part += out_bar[:, i : i + 1] / size
    return (x_bar,)


def channel_dropout(x, mask, keep=0.8):
    """Channels (n, c, t) that a mask drops as a whole; those that stay are scaled up."""
    return x * mask[..., None] / keep


def channel_dropout_back(out_bar, x, mask, keep=0.8, *, right):
    return out_bar * mask[..., None] / (keep if right else 1.0), None


def soft_shrink(x, threshold=0.5):
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0)


def soft_shrink_back(out_bar, x, threshold=0.5, *, right):
    return (out_bar * ((np.abs(x) > threshold) if right else (x > threshold)),)


TWINS = (
    two_ways(
        "glu-halves",
        "misaligned",
        gated_halves,
        gated_halves_back,
        bug="the gradients of the two halves are joined in the wrong order",
        arguments=lambda st: {"x": st.array("n m", domain=MODERATE), "axes": {"m": [2, 4, 6]}},
        bug_point=lambda: {"x": normal(1000, 3, 4)},
        generic_point=lambda: {"x": normal(1001, 2, 6)},
        diagnosis=("misaligned", "swapped-gradients"),
    ),
    two_ways(
        "mish-term",
        "missing term",
        mish,
        mish_back,
        bug="the inner function is treated as a constant",
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(1002, 3, 4)},
        generic_point=lambda: {"x": normal(1003, 2, 3)},
        diagnosis=("missing-term", "wrong-factor"),
    ),
    two_ways(
        "elu-alpha",
        "option",
        elu,
        elu_back,
        bug="the slope below zero is that of alpha = 1",
        arguments=lambda st: {"x": "n", "alpha": hyp.sampled_from([1.0, 0.3, 2.0])},
        bug_point=lambda: {"x": normal(1004, 6), "alpha": 0.3},
        generic_point=lambda: {"x": normal(1005, 5), "alpha": 1.0},
        diagnosis=("wrong-for-option", "wrong-for-negative", "missing-term"),
    ),
    two_ways(
        "hardsigmoid-flat",
        "guard",
        hard_sigmoid,
        hard_sigmoid_back,
        bug="the slope is 1/6 where the output is clipped, too",
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(1006, 3, 5, scale=4.0)},
        generic_point=lambda: {"x": normal(1007, 2, 3)},
        diagnosis=("ignores-mask", "wrong-for-large"),
    ),
    two_ways(
        "selu-rounded",
        "constant",
        selu,
        selu_back,
        bug="the scale is rounded to five digits",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(1008, 6)},
        generic_point=lambda: {"x": normal(1009, 5)},
        diagnosis=("constant-factor", "low-precision"),
    ),
    two_ways(
        "maxout-ties",
        "ties",
        maxout,
        maxout_back,
        bug="every piece that ties is credited in full",
        arguments=lambda st: {"x": "n d k"},
        bug_point=lambda: {"x": np.array([[[0.3, 1.2, 1.2]], [[0.5, -0.4, 0.1]]])},
        generic_point=lambda: {"x": normal(1011, 2, 3, 2)},
        diagnosis=("wrong-at-ties",),
        smooth_at_bug=False,
    ),
    two_ways(
        "maxnorm-projection",
        "missing term",
        limited_rows,
        limited_rows_back,
        bug="the length of a row that is shortened is treated as a constant",
        arguments=lambda st: {"table": "v d", "limit": hyp.sampled_from([1.0, 2.0])},
        bug_point=lambda: {"table": normal(1012, 4, 3), "limit": 1.0},
        generic_point=lambda: {"table": normal(1013, 3, 2), "limit": 2.0},
        diagnosis=("missing-term", "jacobian-diagonal", "wrong-for-large"),
    ),
    two_ways(
        "lora-scale",
        "constant",
        adapted,
        adapted_back,
        bug="the gradient of the first factor lacks alpha / r; the second starts at zero",
        arguments=lambda st: {
            "x": "n d",
            "w": "d k",
            "a": "d r",
            "b": "r k",
            "alpha": hyp.sampled_from([8.0, 16.0]),
        },
        bug_point=lambda: {
            "x": normal(1014, 3, 4),
            "w": normal(1015, 4, 2),
            "a": normal(1016, 4, 2),
            "b": normal(1017, 2, 2),
            "alpha": 8.0,
        },
        generic_point=lambda: {
            "x": normal(1018, 3, 4),
            "w": normal(1019, 4, 2),
            "a": normal(1020, 4, 2),
            "b": np.zeros((2, 2)),
            "alpha": 8.0,
        },
        diagnosis=("constant-factor",),
    ),
    two_ways(
        "excite-gate",
        "missing term",
        excited,
        excited_back,
        bug="the gate is treated as a constant",
        arguments=lambda st: {"x": st.array("n c t", domain=MODERATE)},
        bug_point=lambda: {"x": normal(1021, 2, 3, 4)},
        generic_point=lambda: {"x": normal(1022, 2, 2, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "shuffle-order",
        "misaligned",
        shuffled,
        shuffled_back,
        bug="rows and columns of a block have changed places on the way back",
        arguments=lambda st: {"x": "c h w", "axes": {"c": [4, 8]}},
        bug_point=lambda: {"x": normal(1023, 8, 2, 3)},
        generic_point=lambda: {"x": normal(1024, 4, 3, 2)},
        diagnosis=("misaligned", "transposed"),
    ),
    two_ways(
        "lrn-neighbours",
        "jacobian diagonal",
        local_response,
        local_response_back,
        bug="a channel's share in the norms of its neighbours is left out",
        arguments=lambda st: {"x": st.array("n c", domain=MODERATE), "reach": hyp.integers(1, 2)},
        bug_point=lambda: {"x": normal(1025, 3, 5), "reach": 1},
        generic_point=lambda: {"x": normal(1026, 2, 4), "reach": 2},
        diagnosis=("jacobian-diagonal", "missing-term"),
    ),
    two_ways(
        "spectral-constant",
        "missing term",
        spectral,
        spectral_back,
        bug="the norm is treated as a constant of the weight",
        arguments=lambda st: {"w": "n m", "u": "n", "v": "m"},
        bug_point=lambda: {"w": normal(1027, 3, 4), "u": normal(1028, 3), "v": normal(1029, 4)},
        generic_point=lambda: {"w": normal(1030, 2, 3), "u": normal(1031, 2), "v": normal(1032, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "groups-first",
        "option",
        grouped_dense,
        grouped_dense_back,
        bug="every group gets the weight gradient of the first",
        arguments=lambda st: {"x": "n g d", "w": "g d k"},
        bug_point=lambda: {"x": normal(1033, 3, 2, 4), "w": normal(1034, 2, 4, 3)},
        generic_point=lambda: {"x": normal(1035, 2, 1, 3), "w": normal(1036, 1, 3, 2)},
        diagnosis=("wrong-slice", "misaligned"),
    ),
    two_ways(
        "causal-shift",
        "misaligned",
        causal_depthwise,
        causal_depthwise_back,
        bug="the kernel's gradient is not shifted: it meets the entries of the same time",
        arguments=lambda st: {"x": "t c", "kernel": "k c"},
        bug_point=lambda: {"x": normal(1037, 6, 2), "kernel": normal(1038, 3, 2)},
        generic_point=lambda: {"x": normal(1039, 4, 3), "kernel": normal(1040, 2, 3)},
        diagnosis=("misaligned", "wrong-slice"),
    ),
    two_ways(
        "rootpool-zero",
        "0/0",
        root_pool,
        root_pool_back,
        bug="0 / 0 in a window of zeros",
        arguments=lambda st: {"x": "n t", "window": hyp.integers(1, 3)},
        bug_point=lambda: {"x": np.array([[0.0, 0.0, 1.2, -0.4, 0.3]]), "window": 2},
        generic_point=lambda: {"x": normal(1041, 2, 6), "window": 2},
        diagnosis=("singular-at-zero",),
        smooth_at_bug=False,
    ),
    two_ways(
        "argmax-unraveled",
        "shape regime",
        brightest,
        brightest_back,
        bug="the place in the flattened image is divided by the height, not the width",
        arguments=lambda st: {"x": st.distinct("n h w")},
        bug_point=lambda: {"x": normal(1042, 4, 2, 5)},
        generic_point=lambda: {"x": normal(1043, 3, 3, 3)},
        diagnosis=("misaligned", "wrong-slice"),
    ),
    two_ways(
        "adaptivepool-uneven",
        "shape regime",
        adaptive_pool,
        adaptive_pool_back,
        bug="all parts are taken to be of the same length",
        arguments=lambda st: {"x": "n t", "bins": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(1044, 2, 8), "bins": 3},
        generic_point=lambda: {"x": normal(1045, 2, 6), "bins": 3},
        diagnosis=("wrong-slice", "constant-factor", "wrong-for-option"),
    ),
    two_ways(
        "channeldrop-unscaled",
        "constant",
        channel_dropout,
        channel_dropout_back,
        bug="the gradient is not divided by the share that is kept",
        arguments=lambda st: {
            "x": "n c t",
            "mask": st.mask("n c"),
            "keep": hyp.sampled_from([0.8, 0.5]),
        },
        bug_point=lambda: {
            "x": normal(1046, 2, 3, 2),
            "mask": np.array([[True, False, True], [True, True, False]]),
            "keep": 0.8,
        },
        generic_point=lambda: {
            "x": normal(1047, 2, 2, 3),
            "mask": np.ones((2, 2), bool),
            "keep": 0.5,
        },
        diagnosis=("constant-factor",),
    ),
    two_ways(
        "softshrink-below",
        "guard",
        soft_shrink,
        soft_shrink_back,
        bug="below minus the threshold the gradient is zero",
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(1048, 3, 3)},
        generic_point=lambda: {"x": normal(1049, 2, 4)},
        diagnosis=("wrong-for-negative",),
    ),
)
