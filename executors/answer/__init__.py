"""A long-lived process that answers for one artifact: `python -m executors.answer`, JSON lines in and out.

Loads once, then writes answers token by token as they come. What is said on the lines is defined in
`advisor.domain.answering`. It measures nothing and writes no file.
"""
