"""Why a claim is wrong: small independent hypotheses, each with its evidence and its fit."""

from __future__ import annotations

from gradcheck.diagnosis.consensus import consensus
from gradcheck.diagnosis.names import DIAGNOSES
from gradcheck.diagnosis.ranking import explain

__all__ = ["DIAGNOSES", "consensus", "explain"]
