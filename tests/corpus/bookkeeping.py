"""State, memory, dtypes and layouts, where a backward keeps its own books."""

from __future__ import annotations

import numpy as np

from tests.corpus.memory import held
from tests.corpus.twin import normal, two_ways

MODERATE = (-8.0, 8.0)


def dense_tanh(x, w):
    return np.tanh(x @ w)


def dense_tanh_right(out_bar, x, w):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    return z_bar @ w.T, x.T @ z_bar


def smoothed_gradient():
    kept = {}

    def backward(out_bar, x, w):
        x_bar, w_bar = dense_tanh_right(out_bar, x, w)
        old = kept.get("w")
        if old is not None and old.shape == w_bar.shape:
            w_bar = 0.9 * old + 0.1 * w_bar
        kept["w"] = w_bar
        return x_bar, w_bar

    return dense_tanh, backward


def differs_when_called_again(pair, point):
    x, w = point.values()
    ones = np.ones((len(x), w.shape[1]))
    pair[1](ones, x, w)
    return not np.allclose(pair[1](2 * ones, x, w)[1], dense_tanh_right(2 * ones, x, w)[1])


def cubed(x):
    return x**3


def cubed_right(out_bar, x):
    return (3 * out_bar * x**2,)


def one_buffer():
    buffers = {}

    def backward(out_bar, x):
        buffer = buffers.setdefault(x.shape, np.empty(x.shape))
        np.multiply(3 * out_bar, x**2, out=buffer)
        return (buffer,)

    return cubed, backward


def overwrites_what_it_returned(pair, point):
    (x,) = point.values()
    first = pair[1](np.ones_like(x), x)[0]
    kept = first.copy()
    pair[1](np.ones_like(x), x + 1)
    return not np.array_equal(first, kept)


def shifted_softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def shifted_softmax_right(out_bar, x):
    y = shifted_softmax(x)
    return (y * (out_bar - np.sum(out_bar * y, axis=1, keepdims=True)),)


def shifts_in_place():
    def forward(x):
        x -= x.max(axis=1, keepdims=True)
        e = np.exp(x)
        return e / e.sum(axis=1, keepdims=True)

    return forward, shifted_softmax_right


def writes_its_input(pair, point):
    x = point["x"].copy()
    pair[0](x)
    return not np.array_equal(x, point["x"])


def read_rows(x, index):
    """Some rows, doubled."""
    return 2 * x[index]


def read_rows_back(out_bar, x, index, *, right):
    if right:
        x_bar = np.zeros_like(x)
    else:
        x_bar = np.empty_like(x)
        x_bar[np.unique(index)] = 0
    np.add.at(x_bar, index, 2 * out_bar)
    return x_bar, None


def garbage_in_unread_rows(pair, point):
    g = np.ones((len(point["index"]), point["x"].shape[1]))
    junk = [np.full(point["x"].shape, 7.0) for _ in range(30)]
    del junk
    claims = pair[1](g, **point)[0]
    return not np.array_equal(claims, read_rows_back(g, **point, right=True)[0])


def weighted_histogram(weight, bins):
    """Sums of squared weights by bin."""
    out = np.zeros(4)
    np.add.at(out, bins, weight**2)
    return out


def weighted_histogram_back(out_bar, weight, bins, *, right):
    slope = np.zeros(weight.shape, dtype=weight.dtype if right else np.float32)
    slope += 2 * weight * out_bar[bins]
    return slope, None


def rms_half(x):
    """Rows over their root mean square, held in float16 and computed in float32."""
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    return (wide / np.sqrt(np.mean(wide**2, axis=1, keepdims=True) + 1e-2)).astype(x.dtype)


def rms_half_back(out_bar, x, *, right):
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    with np.errstate(over="ignore", invalid="ignore"):
        square = (
            np.mean(wide**2, axis=1, keepdims=True)
            if right
            else np.sum(x * x, axis=1, keepdims=True) / x.dtype.type(x.shape[1])
        )
    s = np.sqrt(square.astype(wide.dtype) + 1e-2)
    g = out_bar.astype(wide.dtype)
    along = np.mean(g * wide, axis=1, keepdims=True) / s**2
    return (((g - wide * along) / s).astype(x.dtype),)


def label_scores(x, counts):
    """Scores times integer counts."""
    return x * counts


def label_scores_back(out_bar, x, counts, *, right):
    x_bar = np.empty(x.shape) if right else np.empty_like(counts)
    x_bar[...] = out_bar * counts
    return x_bar, None


def claims_float32(pair, point):
    return pair[1](np.ones(4), **point)[0].dtype == np.float32


def claims_integers(pair, point):
    return not np.issubdtype(pair[1](np.full(len(point["x"]), 0.5), **point)[0].dtype, np.inexact)


def smoothed_windows(x):
    """Sums over neighbouring columns, squared."""
    return (x[:, 1:] + x[:, :-1]) ** 2


def smoothed_windows_back(out_bar, x, *, right):
    if right:
        pairs = np.lib.stride_tricks.sliding_window_view(x, 2, axis=1).sum(axis=2)
    else:
        n, m = x.shape
        item = x.itemsize
        pairs = np.lib.stride_tricks.as_strided(x, (n, m - 1, 2), (m * item, item, item)).sum(
            axis=2
        )
    g = 2 * out_bar * pairs
    x_bar = np.zeros(x.shape)
    x_bar[:, 1:] += g
    x_bar[:, :-1] += g
    return (x_bar,)


def reads_in_memory_order(pair, point):
    x = point["x"]
    g = np.ones((x.shape[0], x.shape[1] - 1))
    fortran = np.asfortranarray(np.concatenate([x, x]))[: len(x)]
    return not np.array_equal(pair[1](g, fortran)[0], pair[1](g, x)[0])


TWINS = (
    held(
        "gradient-smoothed",
        "stale",
        dense_tanh,
        dense_tanh_right,
        smoothed_gradient,
        bug="the weight's gradient is averaged with that of the last call",
        arguments=lambda st: {"x": st.array("n d", domain=MODERATE), "w": "d k"},
        bug_point=lambda: {"x": normal(1400, 3, 2), "w": normal(1401, 2, 3)},
        generic_point=lambda: {"x": normal(1402, 2, 2), "w": normal(1403, 2, 2)},
        diagnosis=("accumulated-twice", "stale-cache", "non-deterministic"),
        symptom=differs_when_called_again,
    ),
    held(
        "one-buffer",
        "aliasing",
        cubed,
        cubed_right,
        one_buffer,
        bug="all gradients are returned in one buffer: the next call overwrites the last result",
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(1406, 3, 3)},
        generic_point=lambda: {"x": normal(1407, 2, 3)},
        diagnosis=("shares-memory", "stale-cache", "non-deterministic", "mutates-input"),
        symptom=overwrites_what_it_returned,
    ),
    held(
        "softmax-in-place",
        "mutation",
        shifted_softmax,
        shifted_softmax_right,
        shifts_in_place,
        bug="the forward subtracts the largest entry in place",
        arguments=lambda st: {"x": st.array("n k", domain=MODERATE)},
        bug_point=lambda: {"x": normal(1408, 3, 3)},
        generic_point=lambda: {"x": normal(1409, 2, 3)},
        diagnosis=("mutates-input",),
        symptom=writes_its_input,
    ),
    two_ways(
        "rows-uninitialised",
        "uninitialised",
        read_rows,
        read_rows_back,
        bug="rows that are not read hold what was in memory",
        arguments=lambda st: {"x": "v d", "index": st.indices("n", into="v")},
        bug_point=lambda: {"x": normal(1414, 6, 4), "index": np.array([1, 4, 1])},
        generic_point=lambda: {"x": normal(1415, 3, 2), "index": np.array([0, 2, 1, 1])},
        diagnosis=("non-deterministic", "wrong-slice", "ignores-mask", "missing-term"),
        symptom=garbage_in_unread_rows,
    ),
    two_ways(
        "histogram-float32",
        "precision",
        weighted_histogram,
        weighted_histogram_back,
        bug="the gradient is collected in a float32 array",
        arguments=lambda st: {"weight": "n", "bins": st.indices("n", into=4)},
        bug_point=lambda: {"weight": normal(1416, 5), "bins": np.array([0, 3, 1, 1, 2])},
        generic_point=lambda: {"weight": np.array([0.5, -1.25, 2.0]), "bins": np.array([0, 3, 1])},
        diagnosis=("low-precision",),
        symptom=claims_float32,
    ),
    two_ways(
        "half-overflow",
        "overflow",
        rms_half,
        rms_half_back,
        bug="the squares are summed in float16, where they overflow",
        arguments=lambda st: {"x": st.array("n d", dtype="float16", domain=(-500, 500))},
        bug_point=lambda: {"x": np.array([[300.0, -420.0, 110.0]], dtype=np.float16)},
        generic_point=lambda: {"x": normal(1418, 2, 3).astype(np.float16)},
        diagnosis=("overflow", "missing-gradient", "wrong-for-large"),
    ),
    two_ways(
        "counts-dtype",
        "integers",
        label_scores,
        label_scores_back,
        bug="the gradient takes the integer dtype of the counts",
        arguments=lambda st: {"x": "n", "counts": st.labels("n", classes=5)},
        bug_point=lambda: {"x": normal(1419, 4), "counts": np.array([1, 0, 3, 2])},
        generic_point=lambda: {"x": normal(1420, 3), "counts": np.array([1, 4, 2])},
        diagnosis=("integer-arithmetic",),
        symptom=claims_integers,
    ),
    two_ways(
        "windows-strided",
        "layout",
        smoothed_windows,
        smoothed_windows_back,
        bug="windows are read with the strides of a C array",
        arguments=lambda st: {"x": "n m", "axes": {"m": (2, 6)}},
        bug_point=lambda: {"x": normal(1421, 3, 4)},
        generic_point=lambda: {"x": normal(1422, 2, 3)},
        diagnosis=("layout-dependent",),
        symptom=reads_in_memory_order,
    ),
)
