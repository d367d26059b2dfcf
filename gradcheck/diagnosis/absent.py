"""A gradient that is not there at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.evidence import BOUNDS, View
from gradcheck.result import Case, Diagnosis

FIT_NONE = 0.97
FIT_ZERO = {1: 0.62, 2: 0.88, 3: 0.93}


def none_for_an_input(case: Case) -> Iterator[Diagnosis]:
    """``None`` was returned for an input the function depends on."""
    for name, table in case.entries.items():
        if name in case.claimed and case.claimed[name] is not None:
            continue
        known = np.isfinite(table.estimate) & np.isfinite(table.error)
        felt = np.abs(table.estimate[known]) > BOUNDS * table.error[known]
        if (felt & table.wrong[known]).any():
            sentence = f"the backward returns no gradient for {name}, and the output depends on it"
            evidence = f"{int(felt.sum())} entries have a derivative that is not zero"
            yield Diagnosis("missing-gradient", sentence, FIT_NONE, name, evidence)


def zero_for_an_input(view: View) -> Iterator[Diagnosis]:
    """Zeros were returned for an input the function depends on."""
    if (view.claimed == 0).all():
        felt = int((~view.silent).sum())
        sentence = "claimed is zero everywhere: the gradient is never computed, or never added"
        evidence = f"{felt} of {view.flat.size} entries have a derivative that is not zero"
        yield Diagnosis("missing-gradient", sentence, FIT_ZERO[min(felt, 3)], view.name, evidence)
