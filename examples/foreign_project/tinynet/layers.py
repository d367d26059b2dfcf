"""Layers as pairs: a forward, and a backward that takes the cotangent first."""

import numpy as np


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    # Wrong on purpose: the batch is averaged over, where it must be summed.
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0)


def relu(x):
    return np.maximum(x, 0.0)


def relu_backward(y_bar, x):
    return y_bar * (x > 0)


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_backward(y_bar, x):
    y = softmax(x)
    return y * (y_bar - (y_bar * y).sum(axis=-1, keepdims=True))


EPSILON = 1e-3


def layer_norm(x, gain):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return gain * centred / deviation


def layer_norm_backward(y_bar, x, gain):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    normal = centred / deviation
    scaled = gain * y_bar
    along = (scaled * normal).mean(axis=-1, keepdims=True)
    x_bar = (scaled - scaled.mean(axis=-1, keepdims=True) - normal * along) / deviation
    return x_bar, (y_bar * normal).sum(axis=0)


def scale_rows(x, s):
    return x * s[:, None]


def scale_rows_backward(y_bar, x, s):
    return y_bar * s[:, None], (y_bar * x).sum(axis=1)
