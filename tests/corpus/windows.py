"""Convolutions, pools and resizing as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import normal, two_ways


def _starts(length, taps, stride, dilation=1):
    last = length - dilation * (taps - 1)
    if last < 1:
        raise ValueError("the kernel is longer than the input")
    return np.arange(0, last, stride)


def _grid(image, kernel, stride, dilation):
    """Rows (h, 1, a, 1) and columns (1, w, 1, b) that each output reads."""
    rows = _starts(image[0], kernel[0], stride[0], dilation[0])[:, None, None, None]
    columns = _starts(image[1], kernel[1], stride[1], dilation[1])[None, :, None, None]
    taps = dilation[0] * np.arange(kernel[0])[:, None], dilation[1] * np.arange(kernel[1])
    return rows + taps[0], columns + taps[1]


def conv2d(x, kernel, stride=(1, 1), dilation=(1, 1)):
    """Images (n, c, h, w) correlated with kernels (o, c, a, b)."""
    rows, columns = _grid(x.shape[2:], kernel.shape[2:], stride, dilation)
    return np.einsum("nchwab,ocab->nohw", x[:, :, rows, columns], kernel)


def conv2d_back(out_bar, x, kernel, stride=(1, 1), dilation=(1, 1), *, right):
    rows, columns = _grid(x.shape[2:], kernel.shape[2:], stride, dilation)
    kernel_bar = np.einsum("nohw,nchwab->ocab", out_bar, x[:, :, rows, columns])
    if not right:  # the same stride for rows and columns
        shape = out_bar.shape[2:]
        columns = stride[0] * np.arange(shape[1])[None, :, None, None]
        columns = (columns + dilation[1] * np.arange(kernel.shape[3])) % x.shape[3]
    x_bar = np.zeros_like(x)
    each = np.einsum("nohw,ocab->nchwab", out_bar, kernel)
    np.add.at(x_bar, (slice(None), slice(None), rows, columns), each)
    return x_bar, kernel_bar


def conv1d(x, kernel, bias):
    """Sequences (n, c, l) correlated with kernels (o, c, k), and a bias (o,)."""
    places = _starts(x.shape[2], kernel.shape[2], 1)[:, None] + np.arange(kernel.shape[2])
    return np.einsum("nclk,ock->nol", x[:, :, places], kernel) + bias[:, None]


def conv1d_back(out_bar, x, kernel, bias, *, right, fault):
    places = _starts(x.shape[2], kernel.shape[2], 1)[:, None] + np.arange(kernel.shape[2])
    flipped = not right and fault == "flip"
    each = np.einsum("nol,ock->nclk", out_bar, kernel[..., ::-1] if flipped else kernel)
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, (slice(None), slice(None), places), each)
    mean = not right and fault == "mean"
    bias_bar = out_bar.mean(axis=(0, 2)) if mean else out_bar.sum(axis=(0, 2))
    return x_bar, np.einsum("nol,nclk->ock", out_bar, x[:, :, places]), bias_bar


def conv1d_flipped(out_bar, x, kernel, bias, *, right):
    return conv1d_back(out_bar, x, kernel, bias, right=right, fault="flip")


def conv1d_mean_bias(out_bar, x, kernel, bias, *, right):
    return conv1d_back(out_bar, x, kernel, bias, right=right, fault="mean")


def same_filter(x, kernel):
    """A filter that keeps the length: (l,) with (k,), zeros on both sides."""
    left = (len(kernel) - 1) // 2
    padded = np.pad(x, (left, len(kernel) - 1 - left))
    return np.lib.stride_tricks.sliding_window_view(padded, len(kernel)) @ kernel


def same_filter_back(out_bar, x, kernel, *, right):
    left = (len(kernel) - 1) // 2
    padded = np.pad(x, (left, len(kernel) - 1 - left))
    views = np.lib.stride_tricks.sliding_window_view(padded, len(kernel))
    padded_bar = np.convolve(out_bar, kernel)
    cut = left if right else len(kernel) // 2  # differ for even kernels only
    return padded_bar[cut : cut + len(x)].copy(), out_bar @ views


def average_pool2d(x, window=2, stride=1):
    """Means of square windows of (h, w)."""
    rows, columns = _grid(x.shape, (window, window), (stride, stride), (1, 1))
    return x[rows, columns].mean(axis=(2, 3))


def average_pool2d_back(out_bar, x, window=2, stride=1, *, right):
    rows, columns = _grid(x.shape, (window, window), (stride, stride), (1, 1))
    share = np.broadcast_to((out_bar / window**2)[:, :, None, None], (rows + columns).shape)
    x_bar = np.zeros_like(x)
    if right:
        np.add.at(x_bar, (rows, columns), share)
    else:
        x_bar[rows, columns] += share
    return (x_bar,)


def upsample(x, scale=2):
    """Every entry of (n, l) repeated."""
    return np.repeat(x, scale, axis=1)


def upsample_back(out_bar, x, scale=2, *, right):
    blocks = out_bar.reshape(len(x), x.shape[1], scale)
    return (blocks.sum(axis=2) if right else blocks.mean(axis=2),)


def _resize_places(old, new, align_corners):
    centres = np.arange(new)
    if align_corners:
        centres = centres * (old - 1) / max(1, new - 1)
    else:
        centres = np.clip((centres + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(centres.astype(int), max(0, old - 2))
    return low, np.minimum(low + 1, old - 1), centres - low


def resize(x, size=4, align_corners=False):
    """(l,) interpolated linearly to another length."""
    low, high, share = _resize_places(len(x), size, align_corners)
    return (1 - share) * x[low] + share * x[high]


def resize_back(out_bar, x, size=4, align_corners=False, *, right):
    low, high, share = _resize_places(len(x), size, align_corners and right)
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, low, (1 - share) * out_bar)
    np.add.at(x_bar, high, share * out_bar)
    return (x_bar,)


def reflect_pad(x, width=1):
    """(l,) continued by its mirror image on both sides."""
    if width >= len(x):
        raise ValueError("the mirror image is wider than the input")
    return np.pad(x, width, mode="reflect")


def reflect_pad_back(out_bar, x, width=1, *, right):
    x_bar = out_bar[width : width + len(x)].copy()
    if right and width:
        x_bar[1 : width + 1] += out_bar[:width][::-1]
        x_bar[-width - 1 : -1] += out_bar[-width:][::-1]
    return (x_bar,)


def max_pool_rows(x, window=2):
    """Largest entry of each full window of (n, l)."""
    whole = x.shape[1] // window * window
    return x[:, :whole].reshape(len(x), -1, window).max(axis=2)


def max_pool_rows_back(out_bar, x, window=2, *, right):
    whole = x.shape[1] // window * window
    windows = x[:, :whole].reshape(len(x), -1, window)
    if right:
        winners = windows.argmax(axis=2)[..., None] == np.arange(window)
    else:
        winners = windows == windows.max(axis=2, keepdims=True)
    x_bar = np.zeros_like(x)
    x_bar[:, :whole] = (out_bar[..., None] * winners).reshape(len(x), whole)
    return (x_bar,)


def transposed_conv(x, kernel, stride=2):
    """(l,) spread out with a stride, then convolved with (k,)."""
    spread = np.zeros(stride * (len(x) - 1) + 1, x.dtype)
    spread[::stride] = x
    return np.convolve(spread, kernel)


def transposed_conv_back(out_bar, x, kernel, stride=2, *, right):
    spread = np.zeros(stride * (len(x) - 1) + 1, x.dtype)
    spread[::stride] = x
    spread_bar = np.correlate(out_bar, kernel, "valid")
    kernel_bar = np.correlate(out_bar, spread, "valid")
    return spread_bar[:: stride if right else 1][: len(x)].copy(), kernel_bar


SIDES = hyp.tuples(hyp.integers(1, 3), hyp.integers(1, 3))


TWINS = (
    two_ways(
        "conv2d-stride",
        "option",
        conv2d,
        conv2d_back,
        bug="the column stride is taken to be the row stride in the gradient of the image",
        arguments=lambda st: {
            "x": "n c h w",
            "kernel": "o c a b",
            "stride": SIDES,
            "dilation": SIDES,
            "axes": {"a": (1, 3), "b": (1, 3), "n": (1, 2), "c": (1, 2), "o": (1, 2)},
        },
        bug_point=lambda: {
            "x": normal(200, 1, 2, 3, 5),
            "kernel": normal(201, 2, 2, 2, 2),
            "stride": (1, 2),
            "dilation": (1, 1),
        },
        generic_point=lambda: {
            "x": normal(202, 1, 2, 4, 5),
            "kernel": normal(203, 2, 2, 2, 2),
            "stride": (2, 1),
            "dilation": (1, 2),
        },
        diagnosis=("misaligned", "wrong-slice", "wrong-for-option", "missing-term"),
    ),
    two_ways(
        "conv1d-flipped",
        "missing flip",
        conv1d,
        conv1d_flipped,
        bug="the kernel is flipped in the gradient of the input",
        arguments=lambda st: {"x": "n c l", "kernel": "o c k", "bias": "o", "axes": {"k": (1, 4)}},
        bug_point=lambda: {
            "x": normal(204, 2, 2, 5),
            "kernel": normal(205, 3, 2, 3),
            "bias": normal(206, 3),
        },
        generic_point=lambda: {
            "x": normal(207, 2, 2, 5),
            "kernel": normal(208, 3, 2, 2),
            "bias": normal(209, 3),
        },
        diagnosis=("misaligned", "wrong-slice", "missing-term"),
    ),
    two_ways(
        "conv1d-bias-mean",
        "constant",
        conv1d,
        conv1d_mean_bias,
        bug="the gradient of the bias is averaged over batch and positions",
        arguments=lambda st: {"x": "n c l", "kernel": "o c k", "bias": "o", "axes": {"k": (1, 4)}},
        bug_point=lambda: {
            "x": normal(210, 2, 1, 5),
            "kernel": normal(211, 3, 1, 3),
            "bias": normal(212, 3),
        },
        generic_point=lambda: {
            "x": normal(213, 2, 2, 5),
            "kernel": normal(214, 3, 2, 2),
            "bias": normal(215, 3),
        },
        diagnosis=("constant-factor",),
    ),
    two_ways(
        "same-even-kernel",
        "shape regime",
        same_filter,
        same_filter_back,
        bug="the padding is cut off as if the kernel were odd",
        arguments=lambda st: {"x": "l", "kernel": "k"},
        bug_point=lambda: {"x": normal(216, 5), "kernel": normal(217, 4)},
        generic_point=lambda: {"x": normal(218, 5), "kernel": normal(219, 3)},
        diagnosis=("misaligned", "wrong-slice"),
    ),
    two_ways(
        "avgpool-overlap",
        "duplicates",
        average_pool2d,
        average_pool2d_back,
        bug="a buffered += keeps one of the windows that overlap",
        arguments=lambda st: {
            "x": "h w",
            "window": hyp.integers(1, 3),
            "stride": hyp.integers(1, 3),
        },
        bug_point=lambda: {"x": normal(220, 4, 3), "window": 2, "stride": 1},
        generic_point=lambda: {"x": normal(221, 4, 5), "window": 2, "stride": 2},
        diagnosis=("assigned-not-added", "missing-term", "wrong-slice"),
    ),
    two_ways(
        "upsample-mean",
        "constant",
        upsample,
        upsample_back,
        bug="the copies' gradients are averaged, where they must be added",
        arguments=lambda st: {"x": "n l", "scale": hyp.integers(1, 4)},
        bug_point=lambda: {"x": normal(222, 2, 5), "scale": 3},
        generic_point=lambda: {"x": normal(223, 2, 3), "scale": 2},
        diagnosis=("constant-factor", "wrong-for-option"),
    ),
    two_ways(
        "resize-corners",
        "option",
        resize,
        resize_back,
        bug="align_corners is ignored in the backward",
        arguments=lambda st: {
            "x": "l",
            "size": hyp.integers(1, 8),
            "align_corners": hyp.booleans(),
        },
        bug_point=lambda: {"x": normal(224, 4), "size": 6, "align_corners": True},
        generic_point=lambda: {"x": normal(225, 5), "size": 3, "align_corners": True},
        diagnosis=("wrong-for-option", "misaligned", "missing-term", "wrong-slice"),
    ),
    two_ways(
        "reflect-pad",
        "missing term",
        reflect_pad,
        reflect_pad_back,
        bug="the gradients of the mirrored entries are cut off",
        arguments=lambda st: {"x": "l", "width": hyp.integers(0, 3)},
        bug_point=lambda: {"x": normal(226, 6), "width": 2},
        generic_point=lambda: {"x": normal(227, 6), "width": 1},
        diagnosis=("missing-term", "wrong-slice", "assigned-not-added"),
    ),
    two_ways(
        "maxpool-ties",
        "ties",
        max_pool_rows,
        max_pool_rows_back,
        bug="every largest entry of a window is credited in full",
        arguments=lambda st: {"x": "n l", "window": hyp.integers(1, 4)},
        bug_point=lambda: {"x": np.array([[1.0, 1.0, 0.5, 2.0]]), "window": 2},
        generic_point=lambda: {"x": normal(228, 2, 5), "window": 2},
        diagnosis=("wrong-at-ties",),
        smooth_at_bug=False,
    ),
    two_ways(
        "convtranspose-stride",
        "option",
        transposed_conv,
        transposed_conv_back,
        bug="the gradient of the input is not read with the stride",
        arguments=lambda st: {"x": "l", "kernel": "k", "stride": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(229, 4), "kernel": normal(230, 3), "stride": 2},
        generic_point=lambda: {"x": normal(231, 3), "kernel": normal(232, 2), "stride": 3},
        diagnosis=("misaligned", "wrong-slice", "wrong-for-option"),
    ),
)
