"""The checkers that are compared, each in a module of its own behind one interface."""

from __future__ import annotations

import enum
import gc
import importlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


class Answer(enum.Enum):
    """What a checker says of a problem."""

    PASS = "passes"
    FAIL = "fails"
    UNSURE = "cannot tell"
    ERROR = "breaks off"


@dataclass(frozen=True)
class Peer:
    """One checker with its default settings.

    Attributes
    ----------
    name : str
        As the tables show it.
    check : callable
        ``check(problem) -> bool or Answer``; may raise, and then `failures` tell a verdict from
        a breakdown.
    is_full : bool
        Whether it measures every entry, and not a few directions.
    failures : tuple of exception types
        What it raises for a gradient that it finds wrong.
    largest : int
        More entries than this are not tried: the time or the memory would be out of reach.
    """

    name: str
    check: Callable[[Any], Any]
    is_full: bool
    failures: tuple[type[BaseException], ...] = (AssertionError,)
    largest: int = 2000

    def judge(self, problem: Any) -> Answer:
        """The answer on one problem; nothing that a checker may do ends a table."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                said = self.check(problem)
            except self.failures:
                return Answer.FAIL
            except Exception:
                return Answer.ERROR
        if isinstance(said, Answer):
            return said
        return Answer.PASS if said else Answer.FAIL


MODULES = ("ours", "torch_checks", "jax_checks", "autograd_checks", "scipy_checks",
           "numdifftools_checks", "naive")  # fmt: skip


def installed():
    """All peers whose package is installed, ours first."""
    return [peer for module in MODULES for peer in _peers(module)]


def _peers(module):
    try:
        return importlib.import_module(f"benchmarks.peers.{module}").PEERS
    except ModuleNotFoundError as missing:
        print(f"left out: {module}, {missing}")
        return ()


def forget():
    """Drop what earlier checks left behind: every table finds the frameworks as the first one did.

    JAX keeps what it traced and compiled; thousands of functions later it takes twice its time.
    """
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    gc.collect()


def named(name):
    """The peer of this name; nothing that comes after it is loaded."""
    return next(peer for module in MODULES for peer in _peers(module) if peer.name == name)


def select(peers, names):
    """The peers with these names, in this order; those that are not installed are left out."""
    by_name = {peer.name: peer for peer in peers}
    return [by_name[name] for name in names if name in by_name]
