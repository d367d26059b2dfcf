"""The report of a training fits 80 columns and 40 lines, whatever happened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.result import (
    Diagnosis,
    Epoch,
    Finding,
    Severity,
    TrainingResult,
    TrainingTrace,
    Verdict,
)
from gradcheck.training import check_training
from gradcheck.training.render import LINES, WIDTH, render
from tests.training.faults import FAULTS


def shown(losses, **fields):
    return render(TrainingResult(Verdict.WRONG, TrainingTrace(tuple(losses), **fields)))


def test_a_long_run_shows_its_ends_and_its_worst_rise():
    losses = [1.0 / (1 + k) for k in range(200)]
    losses[99] = 77.5
    lines = shown(losses).splitlines()
    epochs = [line.split()[0] for line in lines[lines.index("  epoch              loss") + 1 :]]
    assert epochs == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "...",
        "99",
        "100",
        "...",
        *["197", "198", "199", "200"],
    ]


def test_held_out_losses_stand_beside():
    epochs = tuple(Epoch(i, 1.0, held_out=2.5) for i in range(3))
    assert shown([1.0] * 3, epochs=epochs).count("2.5") == 3


def test_nan_is_shown_where_it_came():
    text = shown([0.5, float("nan")], stopped="in epoch 2, the loss became nan")
    assert "2                   nan" in text
    assert "stopped: in epoch 2, the loss became nan" in text


def test_a_correct_result_says_what_was_checked():
    text = str(check_training(TrainingTrace(tuple(0.8**k for k in range(10)))))
    assert text.startswith("training: CORRECT")
    assert "kept         runs, finite, loss falls" in text


words = st.text(st.characters(codec="ascii", exclude_characters="\x1b"), max_size=300)
findings = st.builds(Finding, words, words, st.sampled_from(Severity))
diagnoses = st.builds(Diagnosis, words, words, st.floats(0, 1), words, words)


@given(
    st.lists(st.floats(), max_size=60),
    st.none() | st.floats(),
    st.lists(findings, max_size=9),
    st.lists(diagnoses, max_size=4),
    words,
    words | st.integers(1, 300).map(lambda n: f"gradcheck.train(f({'seed=12, ' * n}), epochs=3)"),
    st.sampled_from(Verdict),
)
def test_no_result_breaks_the_frame(losses, initial, found, causes, stopped, line, verdict):
    trace = TrainingTrace(tuple(losses), initial, stopped=stopped)
    result = TrainingResult(
        verdict, trace, tuple(found), tuple(causes), checked=("a",) * 40, reproduce=line
    )
    with np.errstate(invalid="ignore"):
        lines = render(result).split("\n")
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("fault", ["rate 100 times too long", "gradient: transposed"])
def test_a_failure_reads_from_verdict_to_losses(fault):
    with np.errstate(all="ignore"):
        lines = str(FAULTS[fault][0](np.random.default_rng(0))).splitlines()
    order = ["training: WRONG", "  failed", "  likely cause", "  gradient", "  epoch"]
    places = [next(i for i, line in enumerate(lines) if line.startswith(head)) for head in order]
    assert places == sorted(places)
    assert len(lines) <= LINES
