"""The suites of table 6, for pytest: one property test per right function of the corpus."""

from __future__ import annotations

import os

import numpy as np
import pytest

import gradcheck
import gradcheck.strategies
from benchmarks.hypothesis_lines import points, quiet_hypothesis_test
from benchmarks.peers import naive
from tests.corpus.test_corpus import ALARMS, TWINS

ALL = [
    *[(twin.id, twin.forward, twin.right_backward, twin.arguments) for twin in TWINS],
    *[(alarm.id, alarm.forward, alarm.backward, alarm.arguments) for alarm in ALARMS],
][: int(os.environ.get("BENCHMARK_TWINS", "1000"))]

each = pytest.mark.parametrize(
    ("forward", "backward", "arguments"), [item[1:] for item in ALL], ids=[item[0] for item in ALL]
)


@each
def test_ours(forward, backward, arguments):
    given = dict(arguments(gradcheck.strategies))
    axes = given.pop("axes", None)
    gradcheck.vjp_test(forward, backward, axes=axes, arguments=given)()


@each
def test_naive(forward, backward, arguments):
    strategy = points(arguments(gradcheck.strategies))
    with np.errstate(all="ignore"):
        quiet_hypothesis_test(naive.loop, (forward, backward), strategy)()
