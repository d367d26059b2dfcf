"""What gradcheck claims, measured beside what else there is: ``python -m benchmarks``."""
