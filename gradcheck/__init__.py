"""Property-based gradient checking.

Names are loaded on first use: importing the package, as pytest does for its plugin, must cost
nothing in a project that does not use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck import strategies as strategies
    from gradcheck.checking import assert_check as assert_check
    from gradcheck.checking import assert_grad as assert_grad
    from gradcheck.checking import assert_jvp as assert_jvp
    from gradcheck.checking import assert_vjp as assert_vjp
    from gradcheck.checking import check as check
    from gradcheck.checking import check_grad as check_grad
    from gradcheck.checking import check_jvp as check_jvp
    from gradcheck.checking import check_vjp as check_vjp
    from gradcheck.errors import GradientInconclusive as GradientInconclusive
    from gradcheck.errors import GradientMismatch as GradientMismatch
    from gradcheck.errors import InvalidArgument as InvalidArgument
    from gradcheck.errors import InvalidSubject as InvalidSubject
    from gradcheck.errors import TrainingFailed as TrainingFailed
    from gradcheck.errors import VacuousTest as VacuousTest
    from gradcheck.properties import grad_test as grad_test
    from gradcheck.properties import jvp_test as jvp_test
    from gradcheck.properties import parametrize_with_checks as parametrize_with_checks
    from gradcheck.properties import vjp_test as vjp_test
    from gradcheck.result import CheckResult as CheckResult
    from gradcheck.result import TrainingTrace as TrainingTrace
    from gradcheck.result import Verdict as Verdict
    from gradcheck.strategies.recipes import coded_array as coded_array
    from gradcheck.training import assert_training as assert_training
    from gradcheck.training import check_training as check_training
    from gradcheck.training import train as train
    from gradcheck.training import training_test as training_test

_HOME = {
    "assert_check": "checking",
    "assert_grad": "checking",
    "assert_jvp": "checking",
    "assert_vjp": "checking",
    "check": "checking",
    "check_grad": "checking",
    "check_jvp": "checking",
    "check_vjp": "checking",
    "GradientInconclusive": "errors",
    "GradientMismatch": "errors",
    "InvalidArgument": "errors",
    "InvalidSubject": "errors",
    "TrainingFailed": "errors",
    "VacuousTest": "errors",
    "grad_test": "properties",
    "jvp_test": "properties",
    "parametrize_with_checks": "properties",
    "vjp_test": "properties",
    "CheckResult": "result",
    "TrainingTrace": "result",
    "Verdict": "result",
    "coded_array": "strategies.recipes",
    "assert_training": "training",
    "check_training": "training",
    "train": "training",
    "training_test": "training",
}

__all__ = sorted([*_HOME, "strategies"])
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return importlib.import_module("gradcheck.strategies")
    if name in _HOME:
        value = getattr(importlib.import_module(f"gradcheck.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
