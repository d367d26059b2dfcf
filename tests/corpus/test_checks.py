"""At the point of the bug, `check_vjp` tells the wrong twin from the right one."""

from __future__ import annotations

import pytest

import gradcheck
from gradcheck.result import Verdict
from tests.corpus.test_corpus import ALARMS, TWINS
from tests.corpus.twin import bind, inputs_of

each_twin = pytest.mark.parametrize("twin", TWINS, ids=[twin.id for twin in TWINS])
each_alarm = pytest.mark.parametrize("alarm", ALARMS, ids=[alarm.id for alarm in ALARMS])


UNSEEN = {
    "weight-kept": "its other gradients are right at the second point, and so it does not repeat",
    "flatten-order": "Fortran order is drawn for every second check: a property test sees it",
    "val-maxfp16": "65,505 tied entries: the slopes on both sides of such a kink allow a zero too",
}
"""Bugs that a check at their own point does not see, and why."""

SEEN = [twin for twin in TWINS if twin.id not in UNSEEN]
each_seen_twin = pytest.mark.parametrize("twin", SEEN, ids=[twin.id for twin in SEEN])


def check(pair, point, seed=0):
    return gradcheck.check_vjp(*bind(pair, point), inputs_of(point), seed=seed)


@each_seen_twin
def test_the_wrong_twin_is_wrong_at_its_bug(twin):
    result = check(twin.wrong(), twin.bug_point())
    assert result.verdict is Verdict.WRONG, str(result)


def test_hardly_any_bug_is_out_of_sight():
    assert len(UNSEEN) <= 0.02 * len(TWINS)


@each_twin
def test_the_right_twin_is_not_wrong_at_the_bug(twin):
    point = twin.bug_point()
    small = all(x.size < 1000 for x in inputs_of(point).values())
    for seed in range(3 if small else 1):
        result = check(twin.right(), point, seed)
        assert result.verdict is not Verdict.WRONG, str(result)


@each_twin
def test_the_right_twin_is_correct_at_a_generic_point(twin):
    result = check(twin.right(), twin.generic_point())
    assert result.verdict is Verdict.CORRECT, str(result)


@each_alarm
def test_accused_code_is_acquitted(alarm):
    for seed, point in enumerate(alarm.points()):
        result = check((alarm.forward, alarm.backward), point, seed)
        assert result.verdict is not Verdict.WRONG, str(result)


def test_four_of_five_diagnoses_name_the_cause():
    results = [(twin, check(twin.wrong(), twin.bug_point())) for twin in TWINS]
    right = [
        twin.id
        for twin, result in results
        if result.diagnoses and result.diagnoses[0].name in twin.diagnosis
    ]
    assert len(right) >= 0.8 * len(TWINS), sorted({twin.id for twin in TWINS} - set(right))


def test_a_right_twin_is_never_diagnosed():
    for twin in TWINS:
        assert not check(twin.right(), twin.generic_point()).diagnoses, twin.id
