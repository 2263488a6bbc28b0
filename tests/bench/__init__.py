"""Benchmarks: `make bench`. They print figures; they never pass or fail."""
