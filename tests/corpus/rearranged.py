"""Spectra, options and shapes: the right numbers put in the wrong places."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.complex_numbers import complex_normal
from tests.corpus.twin import normal, two_ways

MODERATE = (-8.0, 8.0)


def symmetrised(a):
    return a @ a.T


def symmetrised_back(out_bar, a, *, right):
    g = out_bar + (out_bar.T if right else out_bar)
    return (g @ a,)


def synthesised(z):
    """A real signal of even length from half a spectrum."""
    return np.fft.irfft(z, n=2 * (len(z) - 1))


def synthesised_back(out_bar, z, *, right):
    n = len(out_bar)
    z_bar = np.fft.rfft(out_bar) / n
    if right:
        z_bar[1:-1] *= 2
        z_bar[[0, -1]] = z_bar[[0, -1]].real
    return (z_bar,)


def phases(z):
    return np.sin(np.angle(z))


def phases_back(out_bar, z, *, right):
    g = out_bar * np.cos(np.angle(z)) * 1j * z / np.abs(z) ** 2
    return (g if right else g.conj(),)


def polynomial(z):
    return z**3 + 2 * z


def polynomial_back(out_bar, z, *, right):
    slope = 3 * z**2 + 2
    return (out_bar * (slope.conj() if right else slope),)


def autocorrelation(x):
    """Circular, through the power spectrum."""
    return np.fft.ifft(np.abs(np.fft.fft(x)) ** 2).real


def autocorrelation_back(out_bar, x, *, right):
    f, g = np.fft.fft(x), np.fft.fft(out_bar)
    return ((np.fft.ifft(f * (g + g.conj())) if right else np.fft.ifft(f * g)).real,)


def rolled(x, shift=1):
    return np.roll(x, shift, axis=-1)


def rolled_back(out_bar, x, shift=1, *, right):
    return (np.roll(out_bar, -shift if right else shift, axis=-1),)


def slopes(y):
    """Central differences inside, one-sided at both ends, as numpy.gradient."""
    return np.gradient(y)


def slopes_back(out_bar, y, *, right):
    y_bar = np.zeros_like(y)
    y_bar[2:] += out_bar[1:-1] / 2
    y_bar[:-2] -= out_bar[1:-1] / 2
    edge = 1.0 if right else 0.5
    y_bar[[0, 1]] += edge * out_bar[0] * np.array([-1, 1])
    y_bar[[-2, -1]] += edge * out_bar[-1] * np.array([-1, 1])
    return (y_bar,)


def trapezoid(y, x):
    return np.trapezoid(y, x)


def trapezoid_back(out_bar, y, x, *, right):
    h = np.diff(x)
    y_bar, x_bar = np.zeros_like(y), np.zeros_like(x)
    y_bar[1:] += h / 2
    y_bar[:-1] += h / 2
    if not right:
        y_bar[[0, -1]] *= 2
    middle = (y[1:] + y[:-1]) / 2
    x_bar[1:] += middle
    x_bar[:-1] -= middle
    return out_bar * y_bar, out_bar * x_bar


def edge_padded(x, width=2):
    return np.pad(x, ((0, 0), (width, width)), mode="edge")


def edge_padded_back(out_bar, x, width=2, *, right):
    m = x.shape[1]
    x_bar = out_bar[:, width : width + m].copy()
    if right:
        x_bar[:, 0] += out_bar[:, :width].sum(axis=1)
        x_bar[:, -1] += out_bar[:, width + m :].sum(axis=1)
    else:
        x_bar[:, 0] += out_bar[:, 0]
        x_bar[:, -1] += out_bar[:, -1]
    return (x_bar,)


def repeated(x, times=2):
    return np.repeat(x, times, axis=0)


def repeated_back(out_bar, x, times=2, *, right):
    if right:
        return (out_bar.reshape(len(x), times, -1).sum(axis=1),)
    return (out_bar.reshape(times, len(x), -1).sum(axis=0),)


def lengths(x, ord=2):
    """Norms of the rows (n, d); ord 1, 2 or inf."""
    return np.linalg.norm(x, ord=ord, axis=1)


def lengths_back(out_bar, x, ord=2, *, right):
    y = lengths(x, ord)[:, None]
    g = out_bar[:, None]
    if ord == 1:
        return (g * np.sign(x),)
    if ord == 2:
        return (g * x / np.where(y == 0, 1, y),)
    hit = np.abs(x).argmax(axis=1)[:, None] == np.arange(x.shape[1])
    return (g * np.sign(x) * hit if right else g * x / np.where(y == 0, 1, y),)


def whitened(x):
    """Columns standardised, and their mean and spread."""
    mean = x.mean(axis=0)
    spread = np.sqrt(((x - mean) ** 2).mean(axis=0) + 0.1)
    return (x - mean) / spread, mean, spread


def whitened_back(bars, x, *, right):
    y_bar, mean_bar, spread_bar = bars
    y, _, spread = whitened(x)
    n = len(x)
    x_bar = (y_bar - y_bar.mean(axis=0) - y * (y_bar * y).mean(axis=0)) / spread + mean_bar / n
    return (x_bar + (spread_bar * y / n if right else 0),)


def chunked(x, size=16):
    """Squares summed up from the left, in chunks."""
    return np.cumsum(x**2)


def chunked_back(out_bar, x, size=16, *, right):
    total = np.cumsum(out_bar[::-1])[::-1].copy()
    if not right:
        for start in range(0, len(x), size):
            part = out_bar[start : start + size]
            total[start : start + size] = np.cumsum(part[::-1])[::-1]
    return (2 * x * total,)


def odd_even(x):
    """The real FFT's power at every frequency but the mean's."""
    return np.abs(np.fft.rfft(x)[1:]) ** 2


def odd_even_back(out_bar, x, *, right):
    n = len(x)
    f = np.fft.rfft(x)
    f_bar = np.zeros_like(f)
    f_bar[1:] = 2 * out_bar * f[1:]
    if right:
        full = np.zeros(n, complex)
        full[: len(f)] = f_bar
        return (np.fft.ifft(full).real * n,)
    f_bar[1:-1] /= 2
    f_bar[0] = 0
    return (np.fft.irfft(f_bar, n) * n,)


def tensor_scale(x, s):
    """Channels (n, c, t) scaled by (c, 1)."""
    return x * s


def tensor_scale_back(out_bar, x, s, *, right):
    g = out_bar * x
    return out_bar * s, g.sum(axis=(0, 2)).reshape(s.shape) if right else g.sum(axis=0)[:, :1]


def softmax_axis(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def softmax_axis_back(out_bar, x, axis=-1, *, right):
    y = softmax_axis(x, axis)
    return (y * (out_bar - np.sum(out_bar * y, axis=axis if right else -1, keepdims=True)),)


def ragged(x, splits):
    """Root mean squares of parts of a row; the splits are counts."""
    return np.array([np.sqrt(np.mean(part**2) + 0.1) for part in _split(x, splits) if len(part)])


def _split(x, splits):
    ends = np.minimum(np.cumsum(splits + 1), len(x))
    return np.split(x, ends)


def ragged_back(out_bar, x, splits, *, right):
    parts = [part for part in _split(x, splits) if len(part)]
    mean = len(x) / max(1, len(parts))
    out = [
        g * p / (np.sqrt(np.mean(p**2) + 0.1) * (len(p) if right else mean))
        for g, p in zip(out_bar, parts, strict=True)
    ]
    return np.concatenate(out), None


def scattered_mean(x, index):
    """Mean of the rows that go to each of 3 places; zero for none."""
    count = np.bincount(index, minlength=3)[:, None]
    out = np.zeros((3, x.shape[1]))
    np.add.at(out, index, x)
    return out / np.maximum(count, 1)


def scattered_mean_back(out_bar, x, index, *, right):
    count = np.maximum(np.bincount(index, minlength=3), 1)[:, None]
    return (out_bar / count if right else out_bar)[index], None


def product_of_rows(x):
    return np.prod(x, axis=1)


def product_of_rows_back(out_bar, x, *, right):
    if right:
        slope = np.stack(
            [np.prod(np.delete(x, j, axis=1), axis=1) for j in range(x.shape[1])], axis=1
        )
    else:
        whole = np.prod(x, axis=1, keepdims=True)
        slope = np.divide(whole, x, out=np.zeros_like(x), where=x != 0)
    return (out_bar[:, None] * slope,)


def wavelet(x):
    """One Haar step of (n,) with n even: averages, then differences."""
    return np.concatenate([(x[::2] + x[1::2]) / 2, (x[::2] - x[1::2]) / 2])


def wavelet_back(out_bar, x, *, right):
    a, d = np.split(out_bar, 2)
    x_bar = np.zeros_like(x)
    x_bar[::2] = (a + d) / 2
    x_bar[1::2] = (a - d if right else a + d) / 2
    return (x_bar,)


def lookup_bilinear(a, b, table):
    """``table[i, j]`` bilinear at soft places: ``(1-a)(1-b) t00 + ...``."""
    return (
        (1 - a) * (1 - b) * table[0, 0]
        + a * (1 - b) * table[1, 0]
        + (1 - a) * b * table[0, 1]
        + a * b * table[1, 1]
    )


def lookup_bilinear_back(out_bar, a, b, table, *, right):
    a_bar = (1 - b) * (table[1, 0] - table[0, 0]) + b * (table[1, 1] - table[0, 1])
    b_bar = (1 - a) * (table[0, 1] - table[0, 0]) + a * (table[1, 1] - table[1, 0])
    weights = [[(1 - a) * (1 - b), (1 - a) * b], [a * (1 - b), a * b]]
    t_bar = np.array([[np.sum(out_bar * w) for w in row] for row in weights])
    return out_bar * a_bar, out_bar * b_bar, t_bar if right else t_bar.T


TWINS = (
    two_ways(
        "gram-symmetric",
        "transposed",
        symmetrised,
        symmetrised_back,
        bug="the upstream gradient is taken to be symmetric",
        arguments=lambda st: {"a": "n d"},
        bug_point=lambda: {"a": normal(1423, 3, 2)},
        generic_point=lambda: {"a": normal(1424, 1, 3)},
        diagnosis=("transposed", "missing-term"),
    ),
    two_ways(
        "irfft-double",
        "complex",
        synthesised,
        synthesised_back,
        bug="frequencies inside are counted once, and stand for two",
        arguments=lambda st: {"z": st.array("m", dtype=np.complex128), "axes": {"m": (2, 6)}},
        bug_point=lambda: {"z": complex_normal(1425, 5)},
        generic_point=lambda: {"z": complex_normal(1426, 4)},
        diagnosis=("constant-factor", "wrong-slice"),
    ),
    two_ways(
        "phase-conjugate",
        "complex",
        phases,
        phases_back,
        bug="the conjugate of the gradient",
        arguments=lambda st: {"z": st.array("n", dtype=np.complex128)},
        bug_point=lambda: {"z": complex_normal(1427, 4)},
        generic_point=lambda: {"z": complex_normal(1428, 3)},
        diagnosis=("conjugate-missing",),
    ),
    two_ways(
        "polynomial-conjugate",
        "complex",
        polynomial,
        polynomial_back,
        bug="the slope is not conjugated",
        arguments=lambda st: {"z": st.array("n", dtype=np.complex128)},
        bug_point=lambda: {"z": complex_normal(1429, 4)},
        generic_point=lambda: {"z": complex_normal(1430, 3)},
        diagnosis=("conjugate-missing",),
    ),
    two_ways(
        "autocorrelation-half",
        "missing term",
        autocorrelation,
        autocorrelation_back,
        bug="the spectrum's conjugate is treated as a constant",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(1431, 5)},
        generic_point=lambda: {"x": normal(1432, 4)},
        diagnosis=("missing-term", "constant-factor"),
    ),
    two_ways(
        "roll-direction",
        "misaligned",
        rolled,
        rolled_back,
        bug="rolled on instead of back",
        arguments=lambda st: {"x": "n m", "shift": hyp.integers(-2, 3)},
        bug_point=lambda: {"x": normal(1433, 2, 5), "shift": 1},
        generic_point=lambda: {"x": normal(1434, 2, 4), "shift": 2},
        diagnosis=("misaligned",),
    ),
    two_ways(
        "slopes-border",
        "wrong slice",
        slopes,
        slopes_back,
        bug="the one-sided differences at the ends are halved, too",
        arguments=lambda st: {"y": "n", "axes": {"n": (3, 8)}},
        bug_point=lambda: {"y": normal(1435, 6)},
        generic_point=lambda: {"y": normal(1436, 5)},
        diagnosis=("wrong-slice",),
    ),
    two_ways(
        "trapezoid-ends",
        "wrong slice",
        trapezoid,
        trapezoid_back,
        bug="the first and the last value have full weight",
        arguments=lambda st: {"y": "n", "x": "n", "axes": {"n": (2, 8)}},
        bug_point=lambda: {"y": normal(1437, 5), "x": np.array([0.0, 0.3, 0.7, 1.5, 1.8])},
        generic_point=lambda: {"y": normal(1438, 4), "x": np.array([0.1, 0.3, 0.9, 1.0])},
        diagnosis=("wrong-slice", "constant-factor"),
    ),
    two_ways(
        "edgepad-once",
        "accumulation",
        edge_padded,
        edge_padded_back,
        bug="of the copies at the border only the outermost is counted",
        arguments=lambda st: {"x": "n m", "width": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(1439, 2, 4), "width": 2},
        generic_point=lambda: {"x": normal(1440, 2, 3), "width": 1},
        diagnosis=("missing-term", "assigned-not-added", "wrong-slice", "wrong-for-option"),
    ),
    two_ways(
        "repeat-tile",
        "misaligned",
        repeated,
        repeated_back,
        bug="the gradient of tile where that of repeat is due",
        arguments=lambda st: {"x": "n d", "times": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(1441, 3, 2), "times": 2},
        generic_point=lambda: {"x": normal(1442, 1, 2), "times": 2},
        diagnosis=("misaligned",),
    ),
    two_ways(
        "norm-order",
        "option",
        lengths,
        lengths_back,
        bug="the largest entry's norm has the gradient of the Euclidean one",
        arguments=lambda st: {"x": "n d", "ord": hyp.sampled_from([2, 1, np.inf])},
        bug_point=lambda: {"x": normal(1443, 3, 3), "ord": np.inf},
        generic_point=lambda: {"x": normal(1444, 2, 3), "ord": 2},
        diagnosis=("wrong-for-option", "ignores-mask", "missing-term"),
    ),
    two_ways(
        "third-output",
        "missing term",
        whitened,
        whitened_back,
        bug="the gradient of the third output is not used",
        arguments=lambda st: {"x": st.array("n d", domain=MODERATE)},
        bug_point=lambda: {"x": normal(1445, 4, 2)},
        generic_point=lambda: {"x": normal(1446, 3, 2)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "chunks-uncarried",
        "size threshold",
        chunked,
        chunked_back,
        bug="beyond one chunk the sum is not carried over",
        arguments=lambda st: {"x": "n", "axes": {"n": (1, 40)}},
        bug_point=lambda: {"x": normal(1447, 21)},
        generic_point=lambda: {"x": normal(1448, 6)},
        diagnosis=("wrong-slice", "missing-term", "missing-recurrence"),
    ),
    two_ways(
        "power-odd",
        "size regime",
        odd_even,
        odd_even_back,
        bug="for an odd length the last frequency is counted twice",
        arguments=lambda st: {"x": "n", "axes": {"n": (2, 9)}},
        bug_point=lambda: {"x": normal(1449, 7)},
        generic_point=lambda: {"x": normal(1450, 6)},
        diagnosis=("missing-term", "wrong-slice"),
    ),
    two_ways(
        "scale-first-column",
        "broadcast",
        tensor_scale,
        tensor_scale_back,
        bug="of the broadcast axis only the first entry is counted",
        arguments=lambda st: {"x": "n c t", "s": "c 1"},
        bug_point=lambda: {"x": normal(1451, 2, 3, 4), "s": normal(1452, 3, 1)},
        generic_point=lambda: {"x": normal(1453, 2, 3, 1), "s": normal(1454, 3, 1)},
        diagnosis=("broadcast-not-summed", "missing-term"),
    ),
    two_ways(
        "softmax-axis",
        "option",
        softmax_axis,
        softmax_axis_back,
        bug="the axis is taken to be the last",
        arguments=lambda st: {"x": st.array("n m k", domain=MODERATE), "axis": hyp.integers(-3, 2)},
        bug_point=lambda: {"x": normal(1455, 2, 3, 4), "axis": 1},
        generic_point=lambda: {"x": normal(1456, 2, 3, 2), "axis": -1},
        diagnosis=("wrong-for-option", "missing-term"),
    ),
    two_ways(
        "ragged-mean-length",
        "segments",
        ragged,
        ragged_back,
        bug="divided by the mean length of the parts",
        arguments=lambda st: {
            "x": "n",
            "splits": st.labels("m", classes=3),
            "axes": {"n": (2, 8), "m": (1, 3)},
        },
        bug_point=lambda: {"x": normal(1457, 6), "splits": np.array([0, 2])},
        generic_point=lambda: {"x": normal(1458, 6), "splits": np.array([1, 1])},
        diagnosis=("wrong-slice", "wrong-factor", "constant-factor"),
    ),
    two_ways(
        "scattermean-count",
        "constant",
        scattered_mean,
        scattered_mean_back,
        bug="the gradient is not divided by the number of rows",
        arguments=lambda st: {"x": "n d", "index": st.indices("n", into=3)},
        bug_point=lambda: {"x": normal(1459, 5, 2), "index": np.array([0, 2, 0, 0, 2])},
        generic_point=lambda: {"x": normal(1460, 3, 2), "index": np.array([0, 2, 1])},
        diagnosis=("wrong-factor", "wrong-slice", "constant-factor"),
    ),
    two_ways(
        "prod-zero",
        "zero",
        product_of_rows,
        product_of_rows_back,
        bug="an entry that is zero gets no gradient, whatever the others are",
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": np.array([[0.7, 0.0, -1.2], [0.4, 1.1, 0.9]])},
        generic_point=lambda: {"x": normal(1461, 2, 3)},
        diagnosis=("wrong-at-zero", "missing-gradient"),
    ),
    two_ways(
        "haar-sign",
        "sign",
        wavelet,
        wavelet_back,
        bug="the difference has a plus for both",
        arguments=lambda st: {"x": "n", "axes": {"n": [2, 4, 6]}},
        bug_point=lambda: {"x": normal(1462, 6)},
        generic_point=lambda: {"x": normal(1463, 4)},
        diagnosis=("wrong-slice", "missing-term", "sign-flipped"),
    ),
    two_ways(
        "table-transposed",
        "transposed",
        lookup_bilinear,
        lookup_bilinear_back,
        bug="the table's gradient is transposed, which a square shape does not show",
        arguments=lambda st: {
            "a": st.array("n", domain=(0, 1)),
            "b": st.array("n", domain=(0, 1)),
            "table": st.array("2 2"),
        },
        bug_point=lambda: {
            "a": np.array([0.2, 0.7, 0.6]),
            "b": np.array([0.4, 0.1, 0.9]),
            "table": normal(1464, 2, 2),
        },
        generic_point=lambda: {
            "a": np.array([0.2, 0.7]),
            "b": np.array([0.3, 0.1]),
            "table": normal(1465, 2, 2),
        },
        diagnosis=("transposed",),
    ),
)
