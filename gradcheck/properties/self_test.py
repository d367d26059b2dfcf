"""Whether a property test notices wrong claims."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from gradcheck.checking import run_check
from gradcheck.properties.kill_rate import KillRate
from gradcheck.properties.mutants import MUTANTS, Mutant, Mutation
from gradcheck.properties.property import Property
from gradcheck.recording import unheard
from gradcheck.result import Verdict
from gradcheck.strategies.case import Case
from gradcheck.trees import is_differentiable


def kill_rate_of(tested: Property, examples: Sequence[Case]) -> KillRate:
    """Check mutants of the claim on some examples that the claim itself has passed."""
    killed, survivors = 0, []
    for name in _float_names(examples):
        for label, mutate in MUTANTS.items():
            fates = [_fate(tested, case, name, mutate) for case in examples]
            seen = next((fate for fate in fates if fate is not None and fate), None)
            if seen:
                killed += 1
            elif any(fate is not None for fate in fates):
                survivors.append(f"{label} of {name}")
    return KillRate(killed, tuple(survivors))


def _float_names(examples: Sequence[Case]) -> list[str]:
    names: dict[str, None] = {}
    for case in examples:
        names |= {name: None for name, x in case.inputs.items() if is_differentiable(x)}
    return list(names)


def _fate(tested: Property, case: Case, name: str, mutate: Mutation) -> bool | None:
    """Whether a mutant dies on a case; None where it claims the same as the original."""
    subject = tested.subject(case)
    mutant = Mutant(subject, name, mutate)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = unheard(run_check, mutant, case.inputs, tested.options(case, relations=("shape",)))
    if not mutant.differs:
        return None
    return result.verdict is Verdict.WRONG
