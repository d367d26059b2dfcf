"""What the repository's own tests need beyond the plugin, which its entry point loads."""

from importlib.util import find_spec
from pathlib import Path

import numpy.fft  # noqa: F401  (a test run inside a test forgets what it imported, and fft loads once)
from hypothesis import Phase, settings

pytest_plugins = ["pytester"]

# The gate must give the same answer twice, here and in CI, where Hypothesis would load a profile
# of its own: so its examples are derived from the tests, not from a clock. `explore` looks for
# new ones. Both name a parent, or a profile registered under CI=true would inherit that of CI.
# The explain phase runs a failing test some 200 times more, and says little about an array.
_DEFAULT = settings.get_profile("default")
_PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile(
    "gate", parent=_DEFAULT, derandomize=True, database=None, deadline=None, phases=_PHASES
)
settings.register_profile(
    "explore",
    parent=_DEFAULT,
    derandomize=False,
    deadline=None,
    phases=_PHASES,
    max_examples=1000,
    print_blob=True,
)
settings.load_profile("gate")

# The doctests of a backend need its framework, which need not be installed.
collect_ignore = [
    str(path)
    for path in Path(__file__).parent.glob("gradcheck/backends/*.py")
    if (framework := path.stem.partition("_")[0]) in {"torch", "jax"} and not find_spec(framework)
]
