"""Preparing data: cleaning, mixing, formatting, writing new examples, translating. One module each, all executors.

Each reads a data set and leaves a folder with `train.jsonl`, `held-out.jsonl` and `report.json` that any later step, or
any other program, reads as it reads a person's own files. The held-out side is never learnt from: what is removed,
added or rewritten is on the training side, except for the format.
"""
