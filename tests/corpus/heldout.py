"""Bugs of the same kinds that nobody reported, so that no checker learns the others by heart."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.accumulation import windows
from tests.corpus.overflow import softmax
from tests.corpus.twin import Twin, normal, total


def convolve(x, kernel, stride=1, padding=0):
    """``(n, length)`` with a kernel ``(k,)``: correlation with zero padding on both sides."""
    padded = np.pad(x, ((0, 0), (padding, padding)))
    return padded[:, windows(padded.shape[1], len(kernel), stride)] @ kernel


def _convolve_back(out_bar, x, kernel, stride, padding):
    padded = np.pad(x, ((0, 0), (padding, padding)))
    places = windows(padded.shape[1], len(kernel), stride)
    padded_bar = np.zeros_like(padded)
    rows = np.arange(len(x))[:, None, None]
    np.add.at(padded_bar, (rows, places[None]), out_bar[:, :, None] * kernel)
    return padded_bar, np.einsum("nw,nwk->k", out_bar, padded[:, places])


def convolve_right(out_bar, x, kernel, stride=1, padding=0):
    padded_bar, kernel_bar = _convolve_back(out_bar, x, kernel, stride, padding)
    return padded_bar[:, padding : padding + x.shape[1]].copy(), kernel_bar


def convolve_unstripped(out_bar, x, kernel, stride=1, padding=0):
    padded_bar, kernel_bar = _convolve_back(out_bar, x, kernel, stride, padding)
    return padded_bar[:, : x.shape[1]].copy(), kernel_bar


def dilated(x, kernel, stride=1, dilation=1):
    """Correlation of ``(length,)`` with taps ``dilation`` apart, every ``stride`` entries."""
    return x[_dilated_places(len(x), len(kernel), stride, dilation)] @ kernel


def _dilated_places(length, taps, stride, dilation):
    reach = dilation * (taps - 1) + 1
    return windows(length, reach, stride)[:, ::dilation] if reach <= length else _none(taps)


def _none(taps):
    return np.zeros((0, taps), dtype=int)


def _dilated_back(out_bar, x, kernel, places):
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, places, out_bar[:, None] * kernel)
    return x_bar, out_bar @ x[places]


def dilated_right(out_bar, x, kernel, stride=1, dilation=1):
    places = _dilated_places(len(x), len(kernel), stride, dilation)
    return _dilated_back(out_bar, x, kernel, places)


def dilated_swapped(out_bar, x, kernel, stride=1, dilation=1):
    starts = dilation * np.arange(len(out_bar))[:, None]
    places = starts + stride * np.arange(len(kernel))[None, :]
    return _dilated_back(out_bar, x, kernel, np.minimum(places, max(0, len(x) - 1)))


def batch_norm(x, weight, bias, eps=1e-2):
    """Columns of ``(n, d)`` standardised over the batch, scaled and shifted."""
    return _standard_columns(x, eps)[0] * weight + bias


def _standard_columns(x, eps):
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0) + eps)
    return centred / spread, spread


def batch_norm_right(out_bar, x, weight, bias, eps=1e-2):
    hat, spread = _standard_columns(x, eps)
    hat_bar = out_bar * weight
    x_bar = hat_bar - hat_bar.mean(axis=0) - hat * (hat_bar * hat).mean(axis=0)
    return x_bar / spread, total(out_bar * hat, weight), total(out_bar, bias)


def batch_norm_constant_spread(out_bar, x, weight, bias, eps=1e-2):
    hat, spread = _standard_columns(x, eps)
    hat_bar = out_bar * weight
    x_bar = (hat_bar - hat_bar.mean(axis=0)) / spread
    return x_bar, total(out_bar * hat, weight), total(out_bar, bias)


def attention(q, k, v, causal=False):
    """``softmax(q k^T / sqrt(d)) v`` for ``(t, d)``; causal: no look at later rows."""
    return _attention_weights(q, k, causal) @ v


def _attention_weights(q, k, causal):
    scores = q @ k.T / np.sqrt(q.shape[1])
    return softmax(np.where(_visible(scores, causal), scores, -np.inf))


def _visible(scores, causal):
    return np.tri(*scores.shape, dtype=bool) if causal else np.ones(scores.shape, dtype=bool)


def _attention_back(out_bar, q, k, v, causal, *, normaliser, scale):
    weights = _attention_weights(q, k, causal)
    weights_bar = out_bar @ v.T
    along = np.sum(weights * weights_bar, axis=1, keepdims=True)
    scores_bar = weights * (weights_bar - normaliser * along)
    root = np.sqrt(q.shape[1])
    return scores_bar @ k / root, scores_bar.T @ q / (root if scale else 1.0), weights.T @ out_bar


def attention_right(out_bar, q, k, v, causal=False):
    return _attention_back(out_bar, q, k, v, causal, normaliser=1, scale=True)


def attention_diagonal(out_bar, q, k, v, causal=False):
    return _attention_back(out_bar, q, k, v, causal, normaliser=0, scale=True)


def attention_unscaled_keys(out_bar, q, k, v, causal=False):
    return _attention_back(out_bar, q, k, v, causal, normaliser=1, scale=False)


def memory_cell(x, forget, c):
    """Cell states ``(t, d)`` of ``c = special.expit(forget[t]) * c + tanh(x[t])``."""
    states = np.zeros_like(x)
    for t in range(len(x)):
        c = states[t] = special.expit(forget[t]) * c + np.tanh(x[t])
    return states


def _memory_cell_back(out_bar, x, forget, c, *, through_gate):
    states = memory_cell(x, forget, c)
    before = np.concatenate([c[None], states[:-1]])[: len(x)]
    gates = special.expit(forget)
    x_bar, forget_bar = np.zeros_like(x), np.zeros_like(forget)
    carried = np.zeros_like(c)
    for t in reversed(range(len(x))):
        state_bar = out_bar[t] + carried
        x_bar[t] = state_bar / np.cosh(np.clip(x[t], -350, 350)) ** 2
        forget_bar[t] = state_bar * before[t] * gates[t] * special.expit(-forget[t])
        carried = state_bar * (gates[t] if through_gate else 1.0)
    return x_bar, forget_bar, carried


def memory_cell_right(out_bar, x, forget, c):
    return _memory_cell_back(out_bar, x, forget, c, through_gate=True)


def memory_cell_ungated(out_bar, x, forget, c):
    return _memory_cell_back(out_bar, x, forget, c, through_gate=False)


def bag_of_words(table, words, used):
    """Mean of the rows of ``table`` named by ``words``, over those in use; zero when none is."""
    return (table[words] * used[:, None]).sum(axis=0) / max(1, np.count_nonzero(used))


def _bag_back(out_bar, table, words, used, count):
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, words, used[:, None] * out_bar / max(1, count))
    return table_bar, None, None


def bag_right(out_bar, table, words, used):
    return _bag_back(out_bar, table, words, used, np.count_nonzero(used))


def bag_over_padding(out_bar, table, words, used):
    return _bag_back(out_bar, table, words, used, len(used))


def weighted_cross_entropy(logits, labels, class_weights):
    """Mean of ``-w[label] * log softmax(logits)[label]`` over examples, weighted by ``w``."""
    weights = class_weights[labels]
    return np.sum(weights * _cross_entropies(logits, labels)) / _mass(weights)


def _cross_entropies(logits, labels):
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]


def _mass(weights):
    return weights.sum() if weights.sum() > 0 else 1.0


def _from_probabilities(logits, labels):
    slope = softmax(logits)
    slope[np.arange(len(labels)), labels] -= 1
    return slope


def _weighted_back(out_bar, logits, labels, class_weights, mass):
    weights = class_weights[labels]
    logits_bar = out_bar * weights[:, None] * _from_probabilities(logits, labels) / mass
    each = _cross_entropies(logits, labels)
    pull = out_bar * (each - np.sum(weights * each) / _mass(weights)) / _mass(weights)
    weights_bar = np.zeros_like(class_weights)
    np.add.at(weights_bar, labels, pull)
    return logits_bar, None, weights_bar


def weighted_right(out_bar, logits, labels, class_weights):
    mass = _mass(class_weights[labels])
    return _weighted_back(out_bar, logits, labels, class_weights, mass)


def weighted_by_count(out_bar, logits, labels, class_weights):
    return _weighted_back(out_bar, logits, labels, class_weights, max(1, len(labels)))


def masked_mean_square(predicted, target, ignored):
    """Mean squared error over the entries that are not ignored; zero when all are."""
    errors = (predicted - target)[~ignored]
    return np.sum(errors**2) / max(1, errors.size)


def masked_right(out_bar, predicted, target, ignored):
    kept = ~ignored
    slope = 2 * out_bar * (predicted - target) * kept / max(1, np.count_nonzero(kept))
    return slope, -slope, None


def masked_divides_by_none(out_bar, predicted, target, ignored):
    kept = ~ignored
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = 2 * out_bar * (predicted - target) * kept / np.float64(np.count_nonzero(kept))
    return slope, -slope, None


def cholesky(a):
    """Lower factor of ``a a^T + I``."""
    return np.linalg.cholesky(a @ a.T + np.eye(len(a)))


def _cholesky_back(out_bar, a, halved):
    lower = cholesky(a)
    inner = np.tril(lower.T @ out_bar)
    if halved:
        inner[np.diag_indices(len(a))] /= 2
    left = np.linalg.solve(lower.T, inner)
    spd_bar = np.linalg.solve(lower.T, left.T).T
    return ((spd_bar + spd_bar.T) @ a,)


def cholesky_right(out_bar, a):
    return _cholesky_back(out_bar, a, halved=True)


def cholesky_full_diagonal(out_bar, a):
    return _cholesky_back(out_bar, a, halved=False)


def log_determinant(a):
    """``log |det(a + 4 I)|``."""
    return np.linalg.slogdet(a + 4 * np.eye(len(a)))[1]


def log_determinant_right(out_bar, a):
    return (out_bar * np.linalg.inv(a + 4 * np.eye(len(a))).T,)


def log_determinant_transposed(out_bar, a):
    return (out_bar * np.linalg.inv(a + 4 * np.eye(len(a))),)


def running_product(x):
    return np.cumprod(x)


def running_product_right(out_bar, x):
    x_bar = np.zeros_like(x)
    for i in range(len(x)):
        others = x.copy()
        others[i] = 1.0
        x_bar[i] = np.sum((out_bar * np.cumprod(others))[i:])
    return (x_bar,)


def running_product_divided(out_bar, x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.cumsum((out_bar * np.cumprod(x))[::-1])[::-1] / x,)


def sort(x):
    return np.sort(x)


def sort_right(out_bar, x):
    x_bar = np.empty_like(x)
    x_bar[np.argsort(x, kind="stable")] = out_bar
    return (x_bar,)


def sort_misplaced(out_bar, x):
    return (out_bar[np.argsort(x, kind="stable")],)


def interpolate(table, position):
    """Piecewise linear interpolation of ``table``, knots at 0, 2, 4, ...; flat outside."""
    last = max(0, len(table) - 2)
    place = np.clip(position / 2, 0, len(table) - 1)
    low = np.minimum(place.astype(int), last)
    high = np.minimum(low + 1, len(table) - 1)
    share = place - low
    return (1 - share) * table[low] + share * table[high]


def _interpolate_back(out_bar, table, position, spacing):
    last = max(0, len(table) - 2)
    place = np.clip(position / 2, 0, len(table) - 1)
    low = np.minimum(place.astype(int), last)
    high = np.minimum(low + 1, len(table) - 1)
    share = place - low
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, low, out_bar * (1 - share))
    np.add.at(table_bar, high, out_bar * share)
    inside = (position > 0) & (position < 2 * (len(table) - 1))
    return table_bar, out_bar * inside * (table[high] - table[low]) / spacing


def interpolate_right(out_bar, table, position):
    return _interpolate_back(out_bar, table, position, 2)


def interpolate_unit_spacing(out_bar, table, position):
    return _interpolate_back(out_bar, table, position, 1)


def clamp(x, low=-1.0, high=1.0):
    return np.clip(x, low, high)


def clamp_right(out_bar, x, low=-1.0, high=1.0):
    return (out_bar * ((x > low) & (x < high)),)


def clamp_one_side(out_bar, x, low=-1.0, high=1.0):
    return (out_bar * (x > low),)


def sinc(x):
    """``sin(x) / x``, and 1 at 0."""
    return np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x))


def sinc_right(out_bar, x):
    small = np.abs(x) < 1e-2
    safe = np.where(small, 1.0, x)
    far = (np.cos(safe) - np.sin(safe) / safe) / safe
    # sum of (-1)^k 2k x^(2k-1) / (2k+1)!, cut after x^5: the next term is below 1e-18
    near = x * (-1 / 3 + x**2 * (1 / 30 - x**2 / 840)) if np.any(small) else np.zeros_like(x)
    return (out_bar * np.where(small, near, far),)


def sinc_unguarded(out_bar, x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar * (np.cos(x) - np.sin(x) / x) / x,)


def log_add(a, b):
    return np.logaddexp(a, b)


def log_add_right(out_bar, a, b):
    share = special.expit(a - b)
    return out_bar * share, out_bar * special.expit(b - a)


def log_add_overflowing(out_bar, a, b):
    with np.errstate(over="ignore", invalid="ignore"):
        mass = np.exp(a) + np.exp(b)
        return out_bar * np.exp(a) / mass, out_bar * np.exp(b) / mass


def power_sum(x, p=3):
    """``sum |x|**p``."""
    return np.sum(np.abs(x) ** p)


def power_sum_right(out_bar, x, p=3):
    return (out_bar * p * np.sign(x) * np.abs(x) ** (p - 1),)


def power_sum_unsigned(out_bar, x, p=3):
    return (out_bar * p * np.abs(x) ** (p - 1),)


def average_pool(x, window=2):
    """Mean of consecutive windows of ``(length,)``; the last one may be shorter."""
    return np.array([x[i : i + window].mean() for i in range(0, len(x), window)], dtype=x.dtype)


def average_pool_right(out_bar, x, window=2):
    sizes = np.array([len(x[i : i + window]) for i in range(0, len(x), window)], dtype=int)
    return (np.repeat(out_bar / np.maximum(sizes, 1), sizes),)


def average_pool_full_windows(out_bar, x, window=2):
    return (np.repeat(out_bar / window, window)[: len(x)],)


def divide(a, b):
    """An array divided by one number."""
    return a / b


def divide_right(out_bar, a, b):
    return out_bar / b, total(-out_bar * a / b**2, b)


def divide_first(out_bar, a, b):
    each = np.ravel(-out_bar * a / b**2)
    return out_bar / b, each[:1].sum().reshape(b.shape)


def moments(x):
    """Mean and variance of the columns of ``(n, d)``: two outputs."""
    return x.mean(axis=0), x.var(axis=0)


def moments_right(out_bar, x):
    mean_bar, var_bar = out_bar
    return ((mean_bar + 2 * var_bar * (x - x.mean(axis=0))) / len(x),)


def moments_first_output(out_bar, x):
    mean_bar, _ = out_bar
    return (np.broadcast_to(mean_bar / len(x), x.shape).copy(),)


def softplus(x, beta=1.0):
    """``log(1 + exp(beta x)) / beta``."""
    return np.logaddexp(0.0, beta * x) / beta


def softplus_right(out_bar, x, beta=1.0):
    return (out_bar * special.expit(beta * x),)


def softplus_default(out_bar, x, beta=1.0):
    return (out_bar * special.expit(x),)


def huber(x, delta=1.0):
    size = np.abs(x)
    return np.where(size <= delta, x * x / 2, delta * (size - delta / 2))


def huber_right(out_bar, x, delta=1.0):
    return (out_bar * np.clip(x, -delta, delta),)


def huber_wrong_tail(out_bar, x, delta=1.0):
    return (out_bar * np.where(np.abs(x) <= delta, x, delta),)


def cosine_similarity(a, b, eps=1e-2):
    """Cosine of the angle between rows of ``(n, d)``, damped where they are short."""
    return _dot(a, b) / (_length(a, eps) * _length(b, eps))


def _dot(a, b):
    return np.sum(a * b, axis=-1)


def _length(a, eps):
    return np.sqrt(_dot(a, a) + eps)


def _cosine_back(out_bar, a, b, eps, normaliser):
    a_size, b_size = _length(a, eps)[:, None], _length(b, eps)[:, None]
    cosine = cosine_similarity(a, b, eps)[:, None]
    up = out_bar[:, None]
    a_bar = up * (b / b_size - normaliser * cosine * a / a_size) / a_size
    return a_bar, up * (a / a_size - normaliser * cosine * b / b_size) / b_size


def cosine_right(out_bar, a, b, eps=1e-2):
    return _cosine_back(out_bar, a, b, eps, 1)


def cosine_without_normaliser(out_bar, a, b, eps=1e-2):
    return _cosine_back(out_bar, a, b, eps, 0)


def bilinear(x, w, y):
    """``x[i] w y[i]`` for each row."""
    return np.einsum("ni,ij,nj->n", x, w, y)


def _bilinear_rows(out_bar, x, w, y):
    up = out_bar[:, None]
    return up * (y @ w.T), up * (x @ w)


def bilinear_right(out_bar, x, w, y):
    x_bar, y_bar = _bilinear_rows(out_bar, x, w, y)
    return x_bar, np.einsum("n,ni,nj->ij", out_bar, x, y), y_bar


def bilinear_transposed(out_bar, x, w, y):
    x_bar, y_bar = _bilinear_rows(out_bar, x, w, y)
    return x_bar, np.einsum("n,ni,nj->ji", out_bar, x, y), y_bar


def linear(x, w):
    return x @ w


def linear_right(out_bar, x, w):
    return out_bar @ w.T, x.T @ out_bar


class NeverZeroed:
    """A linear layer whose weight gradient is added to what the last call left there."""

    def __init__(self):
        self.w_bar = None

    def backward(self, out_bar, x, w):
        x_bar, w_bar = linear_right(out_bar, x, w)
        if self.w_bar is None or self.w_bar.shape != w.shape:
            self.w_bar = np.zeros_like(w)
        self.w_bar += w_bar
        return x_bar, self.w_bar.copy()


def never_zeroed():
    return linear, NeverZeroed().backward


def changes_when_called_twice(pair, point):
    _, backward = pair
    x, w = point.values()
    out_bar = np.ones((len(x), w.shape[1]))
    first, second = backward(out_bar, x, w), backward(out_bar, x, w)
    return not np.array_equal(first[1], second[1])


def residual_block(x, w):
    """``x + tanh(x @ w)``."""
    return x + np.tanh(x @ w)


def residual_right(out_bar, x, w):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    return out_bar + z_bar @ w.T, x.T @ z_bar


def residual_into_cotangent(out_bar, x, w):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    out_bar += z_bar @ w.T
    return out_bar, x.T @ z_bar


def writes_its_cotangent(pair, point):
    _, backward = pair
    out_bar = np.ones_like(point["x"])
    backward(out_bar, **point)
    return not np.array_equal(out_bar, np.ones_like(out_bar))


def row_variance(x):
    """Mean square over the last axis, less the square of the mean."""
    return np.mean(x * x, axis=-1) - np.mean(x, axis=-1) ** 2


def row_variance_right(out_bar, x):
    return (out_bar[:, None] * 2 * (x - x.mean(axis=-1, keepdims=True)) / max(1, x.shape[1]),)


def row_variance_over_rows(out_bar, x):
    return (out_bar[:, None] * 2 * (x - x.mean(axis=-1, keepdims=True)) / max(1, x.shape[0]),)


def tanh_layer(x, w):
    return np.tanh(x @ w)


def tanh_layer_right(out_bar, x, w):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    return z_bar @ w.T, x.T @ z_bar


def tanh_layer_twice(out_bar, x, w):
    y = np.tanh(x @ w)
    z_bar = out_bar * (1 - np.tanh(y) ** 2)
    return z_bar @ w.T, x.T @ z_bar


def top_two(x):
    """The two largest entries of each row of ``(n, k)``, the largest first."""
    return np.take_along_axis(x, _top_places(x), axis=1)


def _top_places(x):
    return np.argsort(-x, axis=1, kind="stable")[:, :2]


def top_two_right(out_bar, x):
    x_bar = np.zeros_like(x)
    np.put_along_axis(x_bar, _top_places(x), out_bar, axis=1)
    return (x_bar,)


def top_two_ascending(out_bar, x):
    x_bar = np.zeros_like(x)
    np.put_along_axis(x_bar, np.argsort(x, axis=1, kind="stable")[:, -2:], out_bar, axis=1)
    return (x_bar,)


TWINS = (
    Twin(
        id="conv-padding",
        source="",
        cls="option ignored in the backward",
        bug="the padding is not cut off the front of the input's gradient",
        forward=convolve,
        right_backward=convolve_right,
        wrong_backward=convolve_unstripped,
        arguments=lambda st: {
            "x": "n l",
            "kernel": "k",
            "stride": hyp.integers(1, 3),
            "padding": hyp.integers(0, 2),
        },
        bug_point=lambda: {
            "x": normal(100, 2, 5),
            "kernel": normal(101, 3),
            "stride": 2,
            "padding": 1,
        },
        generic_point=lambda: {
            "x": normal(102, 2, 6),
            "kernel": normal(103, 2),
            "stride": 2,
            "padding": 1,
        },
        diagnosis=("misaligned", "wrong-slice"),
    ),
    Twin(
        id="conv-swapped",
        source="",
        cls="two options swapped",
        bug="stride and dilation have changed places",
        forward=dilated,
        right_backward=dilated_right,
        wrong_backward=dilated_swapped,
        arguments=lambda st: {
            "x": "l",
            "kernel": "k",
            "stride": hyp.integers(1, 3),
            "dilation": hyp.integers(1, 3),
        },
        bug_point=lambda: {
            "x": normal(104, 8),
            "kernel": normal(105, 3),
            "stride": 1,
            "dilation": 2,
        },
        generic_point=lambda: {
            "x": normal(106, 8),
            "kernel": normal(107, 2),
            "stride": 2,
            "dilation": 3,
        },
        diagnosis=("misaligned", "wrong-slice", "wrong-for-option", "missing-term"),
    ),
    Twin(
        id="batchnorm-spread",
        source="",
        cls="missing term",
        bug="the standard deviation is treated as a constant",
        forward=batch_norm,
        right_backward=batch_norm_right,
        wrong_backward=batch_norm_constant_spread,
        arguments=lambda st: {
            "x": "n d",
            "weight": "d",
            "bias": "d",
        },
        bug_point=lambda: {
            "x": normal(108, 4, 2),
            "weight": normal(109, 2),
            "bias": normal(110, 2),
        },
        generic_point=lambda: {
            "x": normal(111, 4, 2),
            "weight": normal(112, 2),
            "bias": normal(113, 2),
        },
        diagnosis=("missing-term",),
    ),
    Twin(
        id="attention-diagonal",
        source="",
        cls="only the diagonal of the softmax's Jacobian",
        bug="the normaliser's share of the softmax gradient is missing",
        forward=attention,
        right_backward=attention_right,
        wrong_backward=attention_diagonal,
        arguments=lambda st: {"q": "t d", "k": "t d", "v": "t e", "causal": hyp.booleans()},
        bug_point=lambda: {
            "q": normal(114, 3, 2),
            "k": normal(115, 3, 2),
            "v": normal(116, 3, 2),
            "causal": True,
        },
        generic_point=lambda: {
            "q": normal(117, 3, 2),
            "k": normal(118, 3, 2),
            "v": normal(119, 3, 2),
            "causal": True,
        },
        diagnosis=("jacobian-diagonal", "missing-term"),
    ),
    Twin(
        id="attention-scale",
        source="",
        cls="constant factor",
        bug="the gradient of the keys lacks the 1 / sqrt(d) of the scores",
        forward=attention,
        right_backward=attention_right,
        wrong_backward=attention_unscaled_keys,
        arguments=lambda st: {"q": "t d", "k": "t d", "v": "t e", "causal": hyp.booleans()},
        bug_point=lambda: {
            "q": normal(120, 3, 4),
            "k": normal(121, 3, 4),
            "v": normal(122, 3, 2),
            "causal": False,
        },
        generic_point=lambda: {
            "q": normal(123, 3, 4),
            "k": normal(124, 3, 4),
            "v": normal(125, 3, 2),
            "causal": False,
        },
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="lstm-forget",
        source="",
        cls="missing factor in the recurrence",
        bug="the forget gate does not scale the gradient on its way back",
        forward=memory_cell,
        right_backward=memory_cell_right,
        wrong_backward=memory_cell_ungated,
        arguments=lambda st: {"x": "t d", "forget": "t d", "c": "d"},
        bug_point=lambda: {
            "x": normal(126, 3, 2),
            "forget": normal(127, 3, 2),
            "c": normal(128, 2),
        },
        generic_point=lambda: {
            "x": normal(129, 3, 2),
            "forget": normal(130, 3, 2),
            "c": normal(131, 2),
        },
        diagnosis=("missing-recurrence", "wrong-factor", "missing-term", "wrong-slice"),
    ),
    Twin(
        id="bag-padding",
        source="",
        cls="padding counted",
        bug="the mean is over the words in use, its gradient over all of them",
        forward=bag_of_words,
        right_backward=bag_right,
        wrong_backward=bag_over_padding,
        arguments=lambda st: {
            "table": "v d",
            "words": st.indices("n", into="v"),
            "used": st.mask("n"),
        },
        bug_point=lambda: {
            "table": normal(132, 3, 2),
            "words": np.array([1, 0, 1]),
            "used": np.array([True, False, True]),
        },
        generic_point=lambda: {
            "table": normal(133, 4, 2),
            "words": np.array([3, 0, 3]),
            "used": np.array([True, True, False]),
        },
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="class-weights",
        source="",
        cls="constant factor: divided by the wrong count",
        bug="the loss is divided by the sum of the weights, its gradient by the number of examples",
        forward=weighted_cross_entropy,
        right_backward=weighted_right,
        wrong_backward=weighted_by_count,
        arguments=lambda st: {
            "logits": "n k",
            "labels": st.labels("n", classes="k"),
            "class_weights": st.positive("k"),
        },
        bug_point=lambda: {
            "logits": normal(134, 3, 3),
            "labels": np.array([0, 2, 1]),
            "class_weights": np.array([0.5, 2.0, 1.5]),
        },
        generic_point=lambda: {
            "logits": normal(135, 4, 3),
            "labels": np.array([0, 2, 1, 2]),
            "class_weights": np.array([0.5, 2.0, 1.7]),
        },
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="ignore-all",
        source="",
        cls="0 / 0 where everything is ignored",
        bug="the gradient is divided by the number of entries kept, which may be none",
        forward=masked_mean_square,
        right_backward=masked_right,
        wrong_backward=masked_divides_by_none,
        arguments=lambda st: {"predicted": "n", "target": "n", "ignored": st.mask("n")},
        bug_point=lambda: {
            "predicted": normal(136, 2),
            "target": normal(137, 2),
            "ignored": np.array([True, True]),
        },
        generic_point=lambda: {
            "predicted": normal(138, 3),
            "target": normal(139, 3),
            "ignored": np.array([True, False, False]),
        },
        diagnosis=("wrong-for-option", "ignores-mask", "singular-at-zero"),
    ),
    Twin(
        id="cholesky-diagonal",
        source="",
        cls="constant factor on the diagonal",
        bug="the diagonal is not halved",
        forward=cholesky,
        right_backward=cholesky_right,
        wrong_backward=cholesky_full_diagonal,
        arguments=lambda st: {"a": "d d"},
        bug_point=lambda: {"a": normal(140, 3, 3)},
        generic_point=lambda: {"a": normal(141, 3, 3)},
        diagnosis=("missing-term", "wrong-slice", "constant-factor"),
    ),
    Twin(
        id="logdet-transposed",
        source="",
        cls="transposed",
        bug="the inverse, where its transpose is due",
        forward=log_determinant,
        right_backward=log_determinant_right,
        wrong_backward=log_determinant_transposed,
        arguments=lambda st: {"a": "d d"},
        bug_point=lambda: {"a": normal(142, 3, 3)},
        generic_point=lambda: {"a": normal(143, 3, 3)},
        diagnosis=("transposed",),
    ),
    Twin(
        id="cumprod-zero",
        source="",
        cls="division by the input",
        bug="the product of the others as the product of all divided by this one",
        forward=running_product,
        right_backward=running_product_right,
        wrong_backward=running_product_divided,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([1.5, 0.0, -2.0])},
        generic_point=lambda: {"x": np.array([1.5, 0.4, -2.0])},
        diagnosis=("singular-at-zero",),
    ),
    Twin(
        id="sort-inverse",
        source="",
        cls="the permutation where its inverse is due",
        bug="the gradient is gathered where it must be scattered",
        forward=sort,
        right_backward=sort_right,
        wrong_backward=sort_misplaced,
        arguments=lambda st: {"x": st.distinct("n")},
        bug_point=lambda: {"x": np.array([2.0, 0.5, 1.0])},
        generic_point=lambda: {"x": np.array([2.0, 3.0, 1.0, -1.0])},
        diagnosis=("misaligned",),
    ),
    Twin(
        id="interpolate-spacing",
        source="",
        cls="missing factor",
        bug="the slope is not divided by the distance of the knots",
        forward=interpolate,
        right_backward=interpolate_right,
        wrong_backward=interpolate_unit_spacing,
        arguments=lambda st: {"table": "v", "position": st.array("n", domain=(0.0, 10.0))},
        bug_point=lambda: {"table": normal(144, 4), "position": np.array([0.7, 4.9])},
        generic_point=lambda: {"table": normal(145, 4), "position": np.array([1.3, 5.1])},
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="clamp-upper",
        source="",
        cls="half of a condition",
        bug="above the upper bound the gradient is not stopped",
        forward=clamp,
        right_backward=clamp_right,
        wrong_backward=clamp_one_side,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([0.3, 2.5, -1.8])},
        generic_point=lambda: {"x": np.array([0.3, 1.5, -2.8])},
        diagnosis=("wrong-for-large", "ignores-mask", "wrong-for-positive"),
    ),
    Twin(
        id="sinc-zero",
        source="",
        cls="0 / 0 where the function is guarded",
        bug="the guard of the forward at zero is missing in the backward",
        forward=sinc,
        right_backward=sinc_right,
        wrong_backward=sinc_unguarded,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([0.0, 1.0])},
        generic_point=lambda: {"x": np.array([0.4, -2.0])},
        diagnosis=("singular-at-zero",),
    ),
    Twin(
        id="logaddexp-overflow",
        source="",
        cls="exp overflows",
        bug="exp(a) / (exp(a) + exp(b)) where both overflow",
        forward=log_add,
        right_backward=log_add_right,
        wrong_backward=log_add_overflowing,
        arguments=lambda st: {
            "a": "n",
            "b": "n",
        },
        bug_point=lambda: {"a": np.array([800.0, 0.2]), "b": np.array([800.5, 0.1])},
        generic_point=lambda: {"a": np.array([0.7, -0.4]), "b": np.array([0.2, 0.9])},
        diagnosis=("overflow",),
    ),
    Twin(
        id="pnorm-sign",
        source="",
        cls="sign of negative entries",
        bug="the sign of the entry is missing",
        forward=power_sum,
        right_backward=power_sum_right,
        wrong_backward=power_sum_unsigned,
        arguments=lambda st: {"x": "n", "p": hyp.integers(2, 4)},
        bug_point=lambda: {"x": np.array([0.8, -1.2]), "p": 3},
        generic_point=lambda: {"x": np.array([0.9, -1.3]), "p": 2},
        diagnosis=("wrong-for-negative", "sign-flipped"),
    ),
    Twin(
        id="pool-border",
        source="",
        cls="border",
        bug="a last window that is shorter is divided by the full length",
        forward=average_pool,
        right_backward=average_pool_right,
        wrong_backward=average_pool_full_windows,
        arguments=lambda st: {"x": "n", "window": hyp.integers(1, 4)},
        bug_point=lambda: {"x": normal(146, 5), "window": 2},
        generic_point=lambda: {"x": normal(147, 5), "window": 3},
        diagnosis=("wrong-slice", "constant-factor"),
    ),
    Twin(
        id="divide-scalar",
        source="",
        cls="a 0-d operand's gradient not reduced",
        bug="the gradient of the one divisor is that of the first entry",
        forward=divide,
        right_backward=divide_right,
        wrong_backward=divide_first,
        arguments=lambda st: {"a": "n d", "b": st.positive("")},
        bug_point=lambda: {"a": normal(148, 2, 3), "b": np.array(1.7)},
        generic_point=lambda: {"a": normal(149, 2, 3), "b": np.array(0.8)},
        diagnosis=("broadcast-not-summed", "missing-term"),
    ),
    Twin(
        id="second-output",
        source="",
        cls="the second output's gradient ignored",
        bug="only the gradient of the mean flows back, not that of the variance",
        forward=moments,
        right_backward=moments_right,
        wrong_backward=moments_first_output,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(150, 4, 2)},
        generic_point=lambda: {"x": normal(151, 4, 2)},
        diagnosis=("missing-term", "ignores-cotangent"),
    ),
    Twin(
        id="softplus-beta",
        source="",
        cls="option ignored in the backward",
        bug="beta is taken to be 1",
        forward=softplus,
        right_backward=softplus_right,
        wrong_backward=softplus_default,
        arguments=lambda st: {"x": "n", "beta": hyp.sampled_from([0.5, 1.0, 2.0])},
        bug_point=lambda: {"x": np.array([0.4, -1.3]), "beta": 2.0},
        generic_point=lambda: {"x": np.array([0.5, -1.1]), "beta": 0.5},
        diagnosis=("wrong-for-option", "wrong-factor"),
    ),
    Twin(
        id="huber-tail",
        source="",
        cls="sign of negative entries",
        bug="the lower tail has the slope of the upper one",
        forward=huber,
        right_backward=huber_right,
        wrong_backward=huber_wrong_tail,
        arguments=lambda st: {"x": "n", "delta": hyp.sampled_from([0.5, 1.0, 2.0])},
        bug_point=lambda: {"x": np.array([0.3, -2.5, 1.9]), "delta": 1.0},
        generic_point=lambda: {"x": np.array([0.3, -2.5, 1.9]), "delta": 0.5},
        diagnosis=("wrong-for-negative", "sign-flipped"),
    ),
    Twin(
        id="cosine-normaliser",
        source="",
        cls="missing term: the normaliser",
        bug="the lengths of the vectors are treated as constants",
        forward=cosine_similarity,
        right_backward=cosine_right,
        wrong_backward=cosine_without_normaliser,
        arguments=lambda st: {"a": "n d", "b": "n d"},
        bug_point=lambda: {"a": normal(152, 2, 3), "b": normal(153, 2, 3)},
        generic_point=lambda: {"a": normal(154, 2, 3), "b": normal(155, 2, 3)},
        diagnosis=("missing-term",),
    ),
    Twin(
        id="bilinear-transposed",
        source="",
        cls="transposed",
        bug="the gradient of the matrix is transposed",
        forward=bilinear,
        right_backward=bilinear_right,
        wrong_backward=bilinear_transposed,
        arguments=lambda st: {"x": "n d", "w": "d d", "y": "n d"},
        bug_point=lambda: {
            "x": normal(156, 2, 3),
            "w": normal(157, 3, 3),
            "y": normal(158, 2, 3),
        },
        generic_point=lambda: {
            "x": normal(159, 2, 3),
            "w": normal(160, 3, 3),
            "y": normal(161, 2, 3),
        },
        diagnosis=("transposed",),
    ),
    Twin(
        id="grad-not-zeroed",
        source="",
        cls="accumulated over calls",
        bug="the weight's gradient is added to that of the last call",
        forward=linear,
        right_backward=linear_right,
        wrong_backward=linear_right,
        arguments=lambda st: {"x": "n d", "w": "d k"},
        bug_point=lambda: {"x": normal(162, 3, 2), "w": normal(163, 2, 2)},
        generic_point=lambda: {"x": normal(164, 3, 2), "w": normal(165, 2, 4)},
        diagnosis=("accumulated-twice", "non-deterministic", "stale-cache"),
        wrong_pair=never_zeroed,
        symptom=changes_when_called_twice,
    ),
    Twin(
        id="residual-cotangent",
        source="",
        cls="the backward writes into its upstream gradient",
        bug="the gradient is accumulated in the array of the upstream gradient",
        forward=residual_block,
        right_backward=residual_right,
        wrong_backward=residual_into_cotangent,
        arguments=lambda st: {"x": "n d", "w": "d d"},
        bug_point=lambda: {"x": normal(166, 2, 3), "w": normal(167, 3, 3)},
        generic_point=lambda: {"x": normal(168, 2, 3), "w": normal(169, 3, 3)},
        diagnosis=("mutates-input", "shares-memory"),
        symptom=writes_its_cotangent,
    ),
    Twin(
        id="variance-axis",
        source="",
        cls="constant factor: the wrong axis",
        bug="divided by the number of rows instead of columns",
        forward=row_variance,
        right_backward=row_variance_right,
        wrong_backward=row_variance_over_rows,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": normal(170, 4, 3)},
        generic_point=lambda: {"x": normal(171, 2, 3)},
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="tanh-output",
        source="",
        cls="derivative taken at the output",
        bug="tanh' is evaluated at tanh(z) instead of z",
        forward=tanh_layer,
        right_backward=tanh_layer_right,
        wrong_backward=tanh_layer_twice,
        arguments=lambda st: {"x": "n d", "w": "d k"},
        bug_point=lambda: {"x": normal(172, 2, 3), "w": normal(173, 3, 2)},
        generic_point=lambda: {"x": normal(174, 2, 3), "w": normal(175, 3, 2)},
        diagnosis=("derivative-at-output", "wrong-factor"),
    ),
    Twin(
        id="topk-order",
        source="",
        cls="order of the winners",
        bug="the gradients of the largest and the second largest entry have changed places",
        forward=top_two,
        right_backward=top_two_right,
        wrong_backward=top_two_ascending,
        arguments=lambda st: {"x": "n k"},
        bug_point=lambda: {"x": np.array([[0.3, 2.0, -1.0]])},
        generic_point=lambda: {"x": np.array([[0.3, 2.0, -1.0], [1.5, 0.2, 0.9]])},
        diagnosis=("misaligned",),
    ),
)
