"""Adapters: what is trained beside a frozen model. Put on, written, loaded, swapped and stacked here.

LoRA, DoRA, IA3 and the soft prompts are PEFT's; the bottleneck layers of Houlsby and Pfeiffer are our own, because the
library that had them does not load with current transformers.
"""
