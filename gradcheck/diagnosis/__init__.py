"""Why a claim is wrong: small independent hypotheses, each with its evidence and its fit."""

from __future__ import annotations

from gradcheck.diagnosis.consensus import consensus
from gradcheck.diagnosis.names import DIAGNOSES
from gradcheck.diagnosis.options import Trial, wrong_for_options
from gradcheck.diagnosis.ranking import explain

__all__ = ["DIAGNOSES", "Trial", "consensus", "explain", "wrong_for_options"]
