"""Backwards that are wrong where entries are equal."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.accumulation import max_pool, max_pool_right, windows
from tests.corpus.twin import Twin, normal


def max_pool_every_tie(out_bar, x, window=2, stride=2):
    places = windows(x.shape[1], window, stride)
    seen = x[:, places]
    credited = (seen == seen.max(axis=2, keepdims=True)) * out_bar[:, :, None]
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, (np.arange(len(x))[:, None, None], places[None]), credited)
    return (x_bar,)


TWINS = (
    Twin(
        id="pool-ties",
        source="riccardoandreoni0/CNN-from-scratch#1, pytorch/pytorch#54591",
        cls="ties",
        bug="every entry equal to the largest one is credited in full",
        forward=max_pool,
        right_backward=max_pool_right,
        wrong_backward=max_pool_every_tie,
        arguments=lambda st: {
            "x": "n l",
            "window": hyp.integers(1, 3),
            "stride": hyp.integers(1, 3),
        },
        bug_point=lambda: {"x": np.array([[1.0, 1.0, 0.0, 2.0]]), "window": 2, "stride": 2},
        generic_point=lambda: {"x": normal(93, 2, 6), "window": 2, "stride": 2},
        diagnosis=("wrong-at-ties",),
        smooth_at_bug=False,
    ),
)
