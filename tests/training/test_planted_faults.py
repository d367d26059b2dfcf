"""Every planted fault is found and given its name; right trainings are left in peace.

The full counts are measured by ``python -m tests.training.measure``.
"""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.result import Verdict
from tests.training.faults import FAULTS, shuffled_labels
from tests.training.measure import right_training

SEEDS = 2


@pytest.mark.parametrize(("fault", "name"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_found_and_named(fault, name):
    for seed in range(SEEDS):
        with np.errstate(all="ignore"):  # a planted divergence overflows
            result = fault(np.random.default_rng([2, seed]))
        assert result.verdict is Verdict.WRONG
        assert result.diagnoses[0].name == name, str(result)


def test_right_trainings_keep_their_promises():
    for seed in range(40):
        label, result = right_training(seed)
        assert result.verdict is Verdict.CORRECT, f"{label}\n{result}"


def test_the_right_twin_of_shuffled_labels_learns():
    for seed in range(SEEDS):
        assert shuffled_labels(np.random.default_rng([2, seed]), shuffle=False)
