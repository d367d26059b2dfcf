"""Where results go while something listens, and what a run asks of every property test.

PYTEST_DONT_REWRITE: imported at every pytest start, so it imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

Sink = Callable[[Any], None]

PROFILE_EXAMPLES = {"quick": 10, "ci": 50, "deep": 1000}
"""Examples per property: a save in the editor, a push, a night."""

PROPERTY_MARK = "gradcheck_property"
"""Attribute of a test function that makes the plugin mark it ``gradcheck``: a check id, or ``""``.

An attribute and not a marker, because ``--strict-markers`` rejects ours where the plugin is off.
"""


class RunSettings(NamedTuple):
    """What a run asks of the property tests it runs; ``None`` and ``""`` ask for nothing.

    Attributes
    ----------
    profile : str
        ``"quick"``, ``"ci"``, ``"deep"`` or ``""``.
    examples : int, optional
        Examples per property; overrides the profile.
    seed : int, optional
        Seed of the whole run.
    key : str
        What is running now (a node id, a case id): it makes one stream of each seed.
    portable : bool
        Whether two machines must generate the same examples, whatever else they have loaded.
    select, deselect : tuple of str
        Check ids, or patterns of them, to run and to leave out.
    """

    profile: str = ""
    examples: int | None = None
    seed: int | None = None
    key: str = ""
    portable: bool = False
    select: tuple[str, ...] = ()
    deselect: tuple[str, ...] = ()

    def wants(self, check: str) -> bool:
        """Whether a check, by its id, is to run.

        >>> RunSettings(select=("zero-*",)).wants("zero-cotangent")
        True
        >>> RunSettings(deselect=("gradient",)).wants("gradient")
        False
        """
        chosen = not self.select or any(fnmatchcase(check, p) for p in self.select)
        return chosen and not any(fnmatchcase(check, p) for p in self.deselect)

    @property
    def max_examples(self) -> int | None:
        """Examples asked for, by number or by profile.

        >>> RunSettings(profile="quick").max_examples, RunSettings("quick", 3).max_examples
        (10, 3)
        """
        return PROFILE_EXAMPLES.get(self.profile) if self.examples is None else self.examples

    @property
    def stream_seed(self) -> int | None:
        """Seed of what runs now: the same on every machine, another for every key.

        One seed for all would give every shard and every parameter the same examples.

        >>> RunSettings(seed=1, key="a").stream_seed == RunSettings(seed=1, key="b").stream_seed
        False
        """
        if self.seed is None:
            return None
        digest = hashlib.blake2b(f"{self.seed}:{self.key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")


_sinks: ContextVar[tuple[Sink, ...]] = ContextVar("gradcheck_sinks", default=())
_settings: ContextVar[RunSettings | None] = ContextVar("gradcheck_settings", default=None)


def active_sinks() -> tuple[Sink, ...]:
    """The sinks listening in this thread; empty where nobody wants results.

    >>> with recording(print, alone=True):
    ...     active_sinks()
    (<built-in function print>,)
    """
    return _sinks.get()


def record(result: Any) -> None:
    """Hand a CheckResult or TrainingResult to every sink that listens.

    >>> seen = []
    >>> with recording(seen.append, alone=True):
    ...     record("a result")
    >>> seen
    ['a result']
    """
    for sink in _sinks.get():
        sink(result)


@contextmanager
def recording(sink: Sink, *, alone: bool = False) -> Iterator[None]:
    """Send every result recorded inside to ``sink`` as well; ``alone``, to no other sink."""
    token = _sinks.set((sink,) if alone else (*_sinks.get(), sink))
    try:
        yield
    finally:
        _sinks.reset(token)


def unheard(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call where no sink listens.

    >>> seen = []
    >>> with recording(seen.append, alone=True):
    ...     unheard(record, "a result")
    >>> seen
    []
    """
    return Context().run(function, *args, **kwargs)


def run_settings() -> RunSettings:
    """What the current run asks for.

    >>> with running_with(RunSettings(seed=3)):
    ...     run_settings().seed
    3
    """
    return _settings.get() or RunSettings()


@contextmanager
def running_with(settings: RunSettings) -> Iterator[None]:
    """Ask every property test run inside for ``settings``.

    >>> with running_with(RunSettings(examples=3)):
    ...     run_settings().max_examples
    3
    """
    token = _settings.set(settings)
    try:
        yield
    finally:
        _settings.reset(token)
