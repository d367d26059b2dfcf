"""Right code that was reported as a bug: a checker must never call it wrong."""

from __future__ import annotations

import numpy as np

from tests.corpus.complex_numbers import complex_normal
from tests.corpus.twin import Alarm, normal, total


def rbf_kernel(log_scale, x):
    """Squared-exponential kernel of ``(n, d)``; the length scale is given as its logarithm."""
    return np.exp(-_squared_distances(x) / (2 * np.exp(2 * log_scale)))


def _squared_distances(x):
    return np.sum((x[:, None] - x[None]) ** 2, axis=-1)


def rbf_kernel_backward(out_bar, log_scale, x):
    inverse = np.exp(-2 * log_scale)
    weighted = out_bar * rbf_kernel(log_scale, x)
    scale_bar = np.sum(weighted * _squared_distances(x)) * inverse
    pull = (weighted + weighted.T)[:, :, None] * (x[:, None] - x[None])
    return np.asarray(scale_bar).reshape(log_scale.shape), -pull.sum(axis=1) * inverse


def linear_kernel(log_sigma, x):
    """``sigma^2 + x x^T`` with ``sigma`` given as its logarithm."""
    return np.exp(2 * log_sigma) + x @ x.T


def linear_kernel_backward(out_bar, log_sigma, x):
    sigma_bar = 2 * np.exp(2 * log_sigma) * out_bar.sum()
    return np.asarray(sigma_bar).reshape(log_sigma.shape), (out_bar + out_bar.T) @ x


def batch_norm(x):
    mean = x.mean(axis=0)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=0) + 1e-2)


def batch_norm_backward(out_bar, x):
    """No term for the mean inside the variance: the sum of ``x - mean`` is zero."""
    n = max(1, len(x))
    centred = x - x.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0) + 1e-2)
    variance_bar = -np.sum(out_bar * centred, axis=0) / (2 * spread**3)
    mean_bar = -np.sum(out_bar / spread, axis=0)
    return (out_bar / spread + 2 * variance_bar * centred / n + mean_bar / n,)


def tanh_from_output(out_bar, x):
    y = np.tanh(x)
    return (out_bar * (1 - y * y),)


def square_root(x):
    return np.sqrt(x)


def square_root_from_output(out_bar, x):
    y = np.sqrt(x)
    return (out_bar / (2 * y),)


def sigmoid(x):
    return 0.5 * (1 + np.tanh(x / 2))


def sigmoid_from_output(out_bar, x):
    a = sigmoid(x)
    return (out_bar * a * (1 - a),)


def relu(x):
    return np.maximum(x, 0)


def relu_from_output(out_bar, x):
    return (out_bar * (relu(x) > 0),)


def centre(x):
    return x - x.mean(axis=0)


def centre_backward(out_bar, x):
    return (out_bar - out_bar.mean(axis=0),)


def clip(x, low=-1.0, high=1.0):
    return np.clip(x, low, high)


def clip_strict(out_bar, x, low=-1.0, high=1.0):
    return (out_bar * ((x > low) & (x < high)),)


def clip_inclusive(out_bar, x, low=-1.0, high=1.0):
    return (out_bar * ((x >= low) & (x <= high)),)


def clip_half(out_bar, x, low=-1.0, high=1.0):
    return tuple((strict + inclusive) / 2 for strict, inclusive in zip(
        clip_strict(out_bar, x, low, high), clip_inclusive(out_bar, x, low, high), strict=True
    ))  # fmt: skip


def two_layers(x, w1, w2):
    return np.tanh(np.tanh(x @ w1) @ w2)


def two_layers_backward(out_bar, x, w1, w2):
    """One delta more than is needed is computed, and never used."""
    hidden = np.tanh(x @ w1)
    out = np.tanh(hidden @ w2)
    deltas = [out_bar * (1 - out**2)]
    for weights, activation in ((w2, hidden), (w1, x)):
        deltas.append(deltas[-1] @ weights.T * (1 - activation**2))
    return deltas[1] @ w1.T, x.T @ deltas[1], hidden.T @ deltas[0]


def complex_product(a, b):
    return a * b


def complex_product_backward(out_bar, a, b):
    return out_bar * b.conj(), out_bar * a.conj()


def magnitude(z):
    return np.sum(z.real**2 + z.imag**2, axis=-1)


def magnitude_backward(out_bar, z):
    return (2 * out_bar[..., None] * z,)


PADDING = 0


def embed(table, words):
    """Rows of a table; the padding word reads as zeros, whatever its row holds."""
    return table[words] * (words != PADDING)[:, None]


def embed_backward(out_bar, table, words):
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, words, out_bar * (words != PADDING)[:, None])
    return table_bar, None


def summed_loss(predicted, target):
    return np.sum((predicted - target) ** 2)


def summed_loss_backward(out_bar, predicted, target):
    slope = 2 * out_bar * (predicted - target)
    return slope, -slope


def mean_loss(predicted, target):
    return np.sum((predicted - target) ** 2) / max(1, len(predicted))


def mean_loss_backward(out_bar, predicted, target):
    slope = 2 * out_bar * (predicted - target) / max(1, len(predicted))
    return slope, -slope


def scale(x, factor):
    """A 0-d operand times an array: the gradient of the number is a sum."""
    return factor * x


def scale_backward(out_bar, x, factor):
    return out_bar * factor, total(out_bar * x, factor)


ALARMS = (
    Alarm(
        id="rbf-log-scale",
        source="scikit-learn/scikit-learn#18702, #11113, #6701",
        why="the gradient is that of the logarithm of the length scale, the parameter it exposes",
        forward=rbf_kernel,
        backward=rbf_kernel_backward,
        arguments=lambda st: {"log_scale": st.array("", domain=(-2.0, 2.0)), "x": "n d"},
        points=lambda: (
            {"log_scale": np.array(0.4), "x": normal(200, 3, 2)},
            {"log_scale": np.array(0.0), "x": np.zeros((2, 2))},
        ),
    ),
    Alarm(
        id="linear-kernel-log-sigma",
        source="scikit-learn/scikit-learn#18702",
        why="the gradient is that of the logarithm of sigma, the parameter it exposes",
        forward=linear_kernel,
        backward=linear_kernel_backward,
        arguments=lambda st: {"log_sigma": st.array("", domain=(-2.0, 2.0)), "x": "n d"},
        points=lambda: ({"log_sigma": np.array(-0.3), "x": normal(201, 3, 2)},),
    ),
    Alarm(
        id="batchnorm-zero-term",
        source=(
            "pjreddie/darknet#29, AlexeyAB/darknet#4605, BVLC/caffe#3878, BVLC/caffe#4110, "
            "apache/mxnet#1053, tensorflow/tensorflow#24508"
        ),
        why="the term that is missing is a sum of deviations from the mean, which is zero",
        forward=batch_norm,
        backward=batch_norm_backward,
        arguments=lambda st: {"x": "n d"},
        points=lambda: ({"x": normal(202, 4, 2)}, {"x": np.ones((3, 2))}),
    ),
    Alarm(
        id="tanh-of-output",
        source="apache/mxnet#4316",
        why="1 - y^2 takes the output, by convention",
        forward=np.tanh,
        backward=tanh_from_output,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([0.0, 0.7, -25.0])},),
    ),
    Alarm(
        id="sqrt-of-output",
        source="apache/mxnet#4316",
        why="1 / (2 y) takes the output, by convention",
        forward=square_root,
        backward=square_root_from_output,
        arguments=lambda st: {"x": st.positive("n")},
        points=lambda: ({"x": np.array([0.7, 3.0])}, {"x": np.array([0.7, 1e-8, 300.0])}),
    ),
    Alarm(
        id="sigmoid-of-output",
        source="tsoding/nn.h#18",
        why="the derivative takes the activated value, by design",
        forward=sigmoid,
        backward=sigmoid_from_output,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([0.0, 0.7, -3.0])},),
    ),
    Alarm(
        id="relu-of-output",
        source="tsoding/nn.h#18",
        why="the derivative takes the activated value, by design",
        forward=relu,
        backward=relu_from_output,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([0.2, 0.7, -3.0])}, {"x": np.array([0.0, 0.7, 0.0])}),
    ),
    Alarm(
        id="centred-ones",
        source="pytorch/pytorch#107007",
        why="a constant upstream gradient gives zero: that is the product, not the diagonal",
        forward=centre,
        backward=centre_backward,
        arguments=lambda st: {"x": "n d"},
        points=lambda: ({"x": normal(203, 4, 2)}, {"x": np.zeros((2, 1))}),
    ),
    Alarm(
        id="clip-strict",
        source="PaddlePaddle/Paddle#12597, pytorch/pytorch#7002, pytorch/pytorch#184574",
        why="on the bound every slope between 0 and 1 is a subgradient: here 0",
        forward=clip,
        backward=clip_strict,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([2.0, -1.7, 0.3])}, {"x": np.array([1.0, -1.0, 0.3])}),
    ),
    Alarm(
        id="clip-inclusive",
        source="pytorch/pytorch#7002, pytorch/pytorch#185831",
        why="on the bound every slope between 0 and 1 is a subgradient: here 1",
        forward=clip,
        backward=clip_inclusive,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([2.0, -1.7, 0.3])}, {"x": np.array([1.0, -1.0, 0.3])}),
    ),
    Alarm(
        id="clip-half",
        source="pytorch/pytorch#184574",
        why="on the bound every slope between 0 and 1 is a subgradient: here a half",
        forward=clip,
        backward=clip_half,
        arguments=lambda st: {"x": "n"},
        points=lambda: ({"x": np.array([2.0, -1.7, 0.3])}, {"x": np.array([1.0, -1.0, 0.3])}),
    ),
    Alarm(
        id="unused-delta",
        source="scikit-learn/scikit-learn#8987",
        why="the list of deltas is longer than needed, and the result right",
        forward=two_layers,
        backward=two_layers_backward,
        arguments=lambda st: {"x": "n d", "w1": "d h", "w2": "h k"},
        points=lambda: (
            {"x": normal(204, 3, 2), "w1": normal(205, 2, 3), "w2": normal(206, 3, 2)},
        ),
    ),
    Alarm(
        id="conjugate-product",
        source="pytorch/pytorch#60180, pytorch/pytorch#41857",
        why="the gradient of a complex product has a conjugate, by the convention of descent",
        forward=complex_product,
        backward=complex_product_backward,
        arguments=lambda st: {
            "a": st.array("n", dtype=np.complex128),
            "b": st.array("n", dtype=np.complex128),
        },
        points=lambda: ({"a": complex_normal(207, 3), "b": complex_normal(208, 3)},),
    ),
    Alarm(
        id="conjugate-magnitude",
        source="pytorch/pytorch#41857",
        why="2 z, not its conjugate, is the direction of steepest ascent of |z|^2",
        forward=magnitude,
        backward=magnitude_backward,
        arguments=lambda st: {"z": st.array("n d", dtype=np.complex128)},
        points=lambda: ({"z": complex_normal(209, 2, 3)}, {"z": np.zeros((2, 1), complex)}),
    ),
    Alarm(
        id="embedding-padding",
        source="pytorch/pytorch#93950, pytorch/pytorch#99181",
        why="the padding row has no gradient because the function does not read it",
        forward=embed,
        backward=embed_backward,
        arguments=lambda st: {"table": "v d", "words": st.indices("n", into="v")},
        points=lambda: ({"table": normal(210, 4, 2), "words": np.array([2, 0, 2, 1])},),
    ),
    Alarm(
        id="loss-summed",
        source="apache/mxnet#2427, heyxhh/nnet-numpy#1, mistnet#33",
        why="the loss is a sum, and so is its gradient",
        forward=summed_loss,
        backward=summed_loss_backward,
        arguments=lambda st: {"predicted": "n k", "target": "n k"},
        points=lambda: ({"predicted": normal(211, 3, 2), "target": normal(212, 3, 2)},),
    ),
    Alarm(
        id="loss-mean",
        source="apache/mxnet#2427, heyxhh/nnet-numpy#1",
        why="the loss is a mean over the batch only, and so is its gradient",
        forward=mean_loss,
        backward=mean_loss_backward,
        arguments=lambda st: {"predicted": "n k", "target": "n k"},
        points=lambda: ({"predicted": normal(213, 3, 2), "target": normal(214, 3, 2)},),
    ),
    Alarm(
        id="scalar-operand",
        source="",
        why="the gradient of a 0-d operand is a 0-d sum",
        forward=scale,
        backward=scale_backward,
        arguments=lambda st: {"x": "n d", "factor": ""},
        points=lambda: ({"x": normal(215, 3, 2), "factor": np.array(0.0)},),
    ),
)
