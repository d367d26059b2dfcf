"""Ways to estimate a directional derivative. No oracle ever sees a claimed gradient."""

from gradcheck.oracles.central_difference import estimate_slope, quick_slope
from gradcheck.oracles.complex_step import complex_step_slope, complex_step_value
from gradcheck.oracles.forward_difference import forward_slope
from gradcheck.oracles.noise import noise_level
from gradcheck.oracles.ray import Ray
from gradcheck.oracles.scipy_check import scipy_slope

__all__ = [
    "Ray",
    "complex_step_slope",
    "complex_step_value",
    "estimate_slope",
    "forward_slope",
    "noise_level",
    "quick_slope",
    "scipy_slope",
]
