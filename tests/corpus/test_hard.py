"""Right code is never called wrong, however hard it is to check."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.result import Verdict
from tests.corpus.hard import HARD
from tests.corpus.test_corpus import departs_from_reference

LARGE = 2000
"""Entries above which one seed must do."""

each = pytest.mark.parametrize("hard", HARD, ids=[hard.id for hard in HARD])


def check(hard, number, seed=0):
    return gradcheck.check_vjp(hard.forward, hard.backward, hard.points()[number], seed=seed)


@each
def test_hard_code_is_right(hard):
    """By slow differences, where those are good enough: small, moderate and free of noise."""
    first = hard.points()[0]
    if sum(x.size for x in first) > 100 or not hard.decidable:
        pytest.skip("the closed form is all there is")
    if hard.analytic:
        assert agrees_with_complex_steps(hard, *first)
    else:
        inputs = dict(zip("abcdef", first, strict=False))
        assert not departs_from_reference((hard.forward, hard.backward), inputs)


def agrees_with_complex_steps(hard, x):
    """Of a function of each entry: the imaginary part of f(x + ih) is h f'(x)."""
    (claimed,) = hard.backward(np.ones_like(x), x)
    return np.allclose(claimed, hard.forward(x + 1e-100j).imag / 1e-100, rtol=1e-9, atol=0)


@each
def test_hard_code_is_never_wrong(hard):
    for number, point in enumerate(hard.points()):
        for seed in range(3 if sum(np.size(x) for x in point) < LARGE else 1):
            result = check(hard, number, seed)
            assert result.verdict is not Verdict.WRONG, str(result)


DECIDABLE = [hard for hard in HARD if hard.decidable]


@pytest.mark.parametrize("hard", DECIDABLE, ids=[hard.id for hard in DECIDABLE])
def test_hard_code_is_correct_at_a_generic_point(hard):
    result = check(hard, 0)
    assert result.verdict is Verdict.CORRECT, str(result)
