"""What gradcheck claims, measured beside what else there is: ``python -m benchmarks``."""

import os

# Before NumPy is loaded: CPU time over several threads would measure how they wait.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
