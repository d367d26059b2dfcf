"""Backwards that are right for some shapes only: a batch of one, three axes, a broken block."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import Twin, normal, total


def add_bias(x, b):
    return x + b


def add_bias_right(out_bar, x, b):
    return out_bar.copy(), total(out_bar, b)


def add_bias_first(out_bar, x, b):
    return out_bar.copy(), out_bar[:1].sum(axis=0)


def add_bias_mean(out_bar, x, b):
    return out_bar.copy(), total(out_bar, b) / max(1, len(x))


def batched_product(a, b):
    """One matrix ``(i, j)`` times a batch ``(n, j, k)``."""
    return a @ b


def batched_product_right(out_bar, a, b):
    return (out_bar @ b.swapaxes(1, 2)).sum(axis=0), a.T @ out_bar


def batched_product_wrong(out_bar, a, b):
    return out_bar @ b.swapaxes(1, 2), a.T @ out_bar


def _grouped(x, groups):
    return x.reshape(len(x), groups, -1)


def _standardised(x, groups, eps):
    rows = _grouped(x, groups)
    centred = rows - rows.mean(axis=2, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=2, keepdims=True) + eps)
    return centred / spread, spread


def group_norm(x, weight, bias, groups=1, eps=1e-2):
    """``(n, c, h, w)`` standardised over each group of channels, scaled and shifted per channel."""
    hat, _ = _standardised(x, groups, eps)
    return hat.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]


def _group_norm_back(out_bar, x, weight, groups, eps, size):
    hat, spread = _standardised(x, groups, eps)
    hat_bar = _grouped(out_bar * weight[:, None, None], groups)
    mean = hat_bar.sum(axis=2, keepdims=True) / size
    along = (hat_bar * hat).sum(axis=2, keepdims=True) / size
    x_bar = (hat_bar - mean - hat * along) / spread
    weight_bar = (out_bar * hat.reshape(x.shape)).sum(axis=(0, 2, 3))
    return x_bar.reshape(x.shape), weight_bar, out_bar.sum(axis=(0, 2, 3))


def group_norm_right(out_bar, x, weight, bias, groups=1, eps=1e-2):
    size = x[0].size // groups
    return _group_norm_back(out_bar, x, weight, groups, eps, size)


def group_norm_wrong(out_bar, x, weight, bias, groups=1, eps=1e-2):
    size = x.shape[1] // groups * x.shape[-1]
    return _group_norm_back(out_bar, x, weight, groups, eps, size)


BLOCK = 4


def square(x):
    return x * x


def square_right(out_bar, x):
    return (2 * x * out_bar,)


def square_in_blocks(out_bar, x):
    x_bar = 2 * x * out_bar
    if len(x) > BLOCK and len(x) % BLOCK == 0:
        x_bar[BLOCK:] = 0
    return (x_bar,)


TWINS = (
    Twin(
        id="shape-addbatch",
        source="mlpack/mlpack#3679",
        cls="a batch of one",
        bug="the gradient of the bias is that of the first example",
        forward=add_bias,
        right_backward=add_bias_right,
        wrong_backward=add_bias_first,
        arguments=lambda st: {"x": "n d", "b": "d"},
        bug_point=lambda: {"x": normal(12, 3, 2), "b": normal(13, 2)},
        generic_point=lambda: {"x": normal(14, 3, 2), "b": normal(15, 2)},
        diagnosis=("broadcast-not-summed",),
    ),
    Twin(
        id="fac-bcastmean",
        source="tensorflow/tfjs-core#398, kvfrans/notes#5",
        cls="mean where a sum is due",
        bug="the gradient of a broadcast operand is averaged over the broadcast axis",
        forward=add_bias,
        right_backward=add_bias_right,
        wrong_backward=add_bias_mean,
        arguments=lambda st: {"x": "n d", "b": "d"},
        bug_point=lambda: {"x": normal(16, 3, 2), "b": normal(17, 2)},
        generic_point=lambda: {"x": normal(18, 3, 2), "b": normal(19, 2)},
        diagnosis=("constant-factor",),
    ),
    Twin(
        id="bc-batchmm",
        source="flashlight/flashlight#760",
        cls="a broadcast operand's gradient not reduced",
        bug="the gradient of the shared matrix keeps the batch axis",
        forward=batched_product,
        right_backward=batched_product_right,
        wrong_backward=batched_product_wrong,
        arguments=lambda st: {"a": "i j", "b": "n j k"},
        bug_point=lambda: {"a": normal(20, 2, 3), "b": normal(21, 4, 3, 2)},
        generic_point=lambda: {"a": normal(22, 2, 3), "b": normal(23, 4, 3, 2)},
        diagnosis=("wrong-shape", "broadcast-not-summed"),
    ),
    Twin(
        id="rank-groupnorm",
        source="linkedin/Liger-Kernel#1375",
        cls="right for one rank only",
        bug="the number of entries of a group is read off the last axis: w where it is h * w",
        forward=group_norm,
        right_backward=group_norm_right,
        wrong_backward=group_norm_wrong,
        arguments=lambda st: {
            "x": "n 4 h w",
            "weight": "4",
            "bias": "4",
            "groups": hyp.sampled_from([1, 2, 4]),
        },
        bug_point=lambda: {
            "x": normal(24, 2, 4, 3, 2),
            "weight": normal(25, 4),
            "bias": normal(26, 4),
            "groups": 2,
        },
        generic_point=lambda: {
            "x": normal(27, 2, 4, 2, 3),
            "weight": normal(28, 4),
            "bias": normal(29, 4),
            "groups": 2,
        },
        diagnosis=("missing-term", "constant-factor"),
    ),
    Twin(
        id="size-blocks",
        source="state-spaces/mamba#537, ROCm/composable_kernel#2478, apache/mxnet#17989",
        cls="a size threshold",
        bug="the blocks after the first are left zero where the length is a whole number of blocks",
        forward=square,
        right_backward=square_right,
        wrong_backward=square_in_blocks,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(30, 8)},
        generic_point=lambda: {"x": normal(31, 5)},
        diagnosis=("wrong-slice", "missing-gradient"),
    ),
)
