"""Train: run a training loop, hold it to its promises, and say why it failed."""

from __future__ import annotations

from gradcheck.training import convex, theory
from gradcheck.training.descent import descend, descent_loop
from gradcheck.training.loop import Loop, train
from gradcheck.training.properties import training_test
from gradcheck.training.serial import trace_from_dict, trace_to_dict
from gradcheck.training.verdict import assert_training, check_training

__all__ = [
    "Loop",
    "assert_training",
    "check_training",
    "convex",
    "descend",
    "descent_loop",
    "theory",
    "trace_from_dict",
    "trace_to_dict",
    "train",
    "training_test",
]
