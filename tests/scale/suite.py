"""A small suite for campaigns: right functions, a wrong one, and one that breaks."""

from __future__ import annotations

import numpy as np

import gradcheck
from gradcheck.recording import run_settings
from gradcheck.subject import FunctionSubject


def _generator():
    return np.random.default_rng(run_settings().stream_seed)


def tanh():
    for _ in range(run_settings().max_examples or 1):
        x = _generator().normal(size=3)
        gradcheck.assert_vjp(np.tanh, lambda y_bar, x: y_bar * (1 - np.tanh(x) ** 2), {"x": x})


def dense():
    x, w = _generator().normal(size=(3, 2)), _generator().normal(size=(2, 2))
    gradcheck.assert_vjp(
        lambda x, w: x @ w,
        lambda y_bar, x, w: (y_bar @ w.T, x.T @ y_bar),
        {"x": x, "w": w},
    )


def wrong_exp():
    x = _generator().normal(size=2)
    gradcheck.assert_vjp(np.exp, lambda y_bar, x: 2 * y_bar * np.exp(x), {"x": x})


def broken():
    raise RuntimeError("the subject itself is broken")


def checks_nothing():
    pass


def needs_fixture(tmp_path):
    pass


def _subject(name, factor):
    return FunctionSubject(
        name,
        lambda inputs: inputs["x"] ** 2,
        lambda inputs, y_bar: {"x": factor * inputs["x"] * y_bar},
    )


POINT = {"x": np.array([1.0, -2.0])}
AT_A_POINT = [(_subject("square", 2.0), POINT), (_subject("wrong square", 1.0), POINT)]
RIGHT = [tanh, dense]
MIXED = {"tanh": tanh, "dense": dense, "wrong": wrong_exp, "broken": broken}
EMPTY: list = []
