"""What compression learns from a model's activations: calibration text, the batch on its way through the blocks, the
Hessians of layer inputs, and the compensation of errors they allow.

Shared by pruning and quantization; it decides nothing about which weights to drop or how to round.
"""
