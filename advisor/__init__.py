"""The technique advisor: advice, plans, runs and reports for adapting and compressing language models."""

__version__ = "0.1.0"
