"""Zeros in the wrong places: a mask not applied, or applied the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.evidence import Mask, View
from gradcheck.diagnosis.features import input_features
from gradcheck.result import Diagnosis

FIT_IGNORED = {0: 0.6, 1: 0.78, 2: 0.9}
FIT_INVERTED = {1: 0.8, 2: 0.87, 3: 0.91}


def mask_ignored(view: View) -> Iterator[Diagnosis]:
    """Claims are wrong exactly where the derivative is zero, and right where it is not."""
    stopped = view.wrong & view.silent & (view.claimed != 0) & view.finite
    live = view.right & ~view.silent
    contrast = live.any() or _mask_is_seen(view, stopped)
    if not view.finite.all() or not contrast or not (stopped == view.wrong).all():
        return
    sentence = "the claim is not zero where the function does not move: a mask, a clip or an"
    sentence += " inactive branch is not applied in the backward"
    evidence = f"{int(stopped.sum())} entries have derivative 0 and a claim that is not"
    telling = 0 if int(stopped.sum() + live.sum()) == 2 else min(int(stopped.sum()), 2)
    fit = FIT_IGNORED[telling]
    yield Diagnosis("ignores-mask", sentence, fit, view.name, evidence)


def _mask_is_seen(view: View, stopped: Mask) -> bool:
    """Whether a boolean or integer input is zero at all of these entries."""
    masks = [f for f in input_features(view) if view.case.inputs[f.source].dtype.kind in "biu"]
    return any((mask.values[stopped] == 0).all() for mask in masks)


def mask_inverted(view: View) -> Iterator[Diagnosis]:
    """Claims are zero exactly where the derivative is not."""
    given, due = view.claimed != 0, ~view.silent
    if not view.finite.all() or not (given ^ due).all() or not given.any() or not due.any():
        return
    sentence = "the claim is zero exactly where the derivative is not: the mask is inverted"
    evidence = f"{int(due.sum())} entries should have a gradient, the other {int(given.sum())} do"
    fit = FIT_INVERTED[min(int(np.size(given)) - 1, 3)]
    yield Diagnosis("inverted-mask", sentence, fit, view.name, evidence)
