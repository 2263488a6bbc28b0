"""Tiny executors without any heavy library, for tests of the process model."""
