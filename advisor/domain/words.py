"""The closed vocabularies of the product. Their labels for people stand in `trees/vocabulary.yaml`."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """The words of the interaction matrix, and the few families that never stand in a stack as a step of their own."""

    PROMPT = "prompt"
    RETRIEVE = "retrieve"
    PRETRAIN = "pretrain"
    DISTILL = "distill"
    FINETUNE = "finetune"
    ALIGN = "align"
    EDIT = "edit"
    MERGE = "merge"
    PRUNE = "prune"
    QUANTIZE = "quantize"
    EXPORT = "export"
    DATA = "data"
    """Preparing data: accompanies training."""
    EFFICIENCY = "efficiency"
    """Training tricks that change cost, not the result: accompanies training."""


class Verdict(StrEnum):
    BEST = "best"
    OK = "ok"
    CONDITIONAL = "conditional"
    BAD = "bad"
    IMPOSSIBLE = "impossible"
    NONE = "none"
    """No known interaction."""


class Reach(StrEnum):
    ADJACENT = "adjacent"
    """The verdict is about doing one right after the other."""
    ANY = "any"
    """The verdict holds however far apart the two stand."""


class ActsOn(StrEnum):
    """Which of the models (or other artifacts) at hand a step changes."""

    BASE = "base"
    STUDENT = "student"
    TEACHER = "teacher"
    MERGED = "merged"
    ADAPTER = "adapter"
    INDEX = "index"
    PROMPT = "prompt"
    DATA = "data"
    ANY = "any"


class ArtifactKind(StrEnum):
    """What a step consumes and produces."""

    CAUSAL_LM = "causal-lm"
    ADAPTER = "adapter"
    SPARSE_LM = "sparse-lm"
    QUANTIZED_LM = "quantized-lm"
    GGUF = "gguf"
    INDEX = "index"
    PROMPT = "prompt"
    REWARD_MODEL = "reward-model"
    DATASET = "dataset"
    REMOTE_MODEL = "remote-model"
    """A model that a provider keeps: its name there."""


MEASURED = frozenset(
    {
        ArtifactKind.CAUSAL_LM,
        ArtifactKind.ADAPTER,
        ArtifactKind.SPARSE_LM,
        ArtifactKind.QUANTIZED_LM,
        ArtifactKind.GGUF,
        ArtifactKind.INDEX,
        ArtifactKind.PROMPT,
    }
)
"""Kinds of artifact that are evaluated."""
MODELS_ALONE = frozenset({ArtifactKind.CAUSAL_LM, ArtifactKind.SPARSE_LM, ArtifactKind.QUANTIZED_LM, ArtifactKind.GGUF})
"""Kinds of artifact that are a whole model."""
BESIDE = frozenset({ArtifactKind.INDEX, ArtifactKind.PROMPT})
"""Those that are measured together with the model they stand beside, under the name of their kind as role."""


class Goal(StrEnum):
    GROUND = "ground-knowledge"
    BEHAVIOR = "change-behavior"
    OPTIMIZE = "optimize"
    EXPAND = "expand-knowledge"


class DataKind(StrEnum):
    NONE = "none"
    DOCUMENTS = "documents"
    TEXT = "text"
    INSTRUCTIONS = "instructions"
    QA_PAIRS = "qa-pairs"
    PREFERENCES = "preferences"
    FEEDBACK = "feedback"
    REWARDS = "rewards"
    TOOL_CALLS = "tool-calls"
    PARALLEL = "parallel"
    FACTS = "facts"
    """Single facts to correct: subject, prompt, new target."""


JUDGED = frozenset({DataKind.PREFERENCES, DataKind.FEEDBACK, DataKind.REWARDS})
"""Kinds whose rows carry a judgement, and whose trainings cannot use a row without one."""


class Need(StrEnum):
    CITATIONS = "citations"
    FRESH_KNOWLEDGE = "fresh-knowledge"
    PRIVATE_DATA = "private-data"
    LOW_LATENCY = "low-latency"
    HIGH_VOLUME = "high-volume"
    STRICT_FORMAT = "strict-format"
    OFFLINE = "offline"
