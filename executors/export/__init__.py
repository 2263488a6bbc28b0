"""Other forms of a model, and whether they still say the same: GGUF files and parity of logits.

Library code of the quantize and merge steps; it is not an executor itself.
"""
