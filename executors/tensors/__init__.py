"""Weights on disk, one tensor at a time: headers, reading, writing, and a decoder that runs block by block.

Peak memory grows with the largest tensor or block, never with the model. Only safetensors; no pickle is ever opened.
"""
