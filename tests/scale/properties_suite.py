"""One-line property tests for campaigns; one of them is wrong where its input is negative."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as hypothesis_strategies

import gradcheck


def dense(x, w):
    return x @ w


def dense_backward(y_bar, x, w):
    return y_bar @ w.T, x.T @ y_bar


def leaky(x, slope):
    return np.where(x > 0, x, slope * x)


def leaky_backward(y_bar, x, slope):
    return y_bar * np.where(x > 0, 1.0, slope**2)


test_dense = gradcheck.vjp_test(dense, dense_backward, x="n d", w="d k")
test_leaky = gradcheck.vjp_test(
    leaky, leaky_backward, x="n", slope=hypothesis_strategies.floats(0.01, 0.5)
)

# Collected by the campaign, not by pytest: one of them fails on purpose.
test_dense.__test__ = test_leaky.__test__ = False
