"""Every kind of adapter: trained, written, put on the base again, as large as its sources say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from executors.adapters.attach import add_adapter
from executors.adapters.settings import AdapterSettings
from executors.adapters.store import AdapterShelf
from executors.models.load import load_model

PROMPT = "What does f3 do?"


def logits(model: Any, tokenizer: Any) -> Any:
    """Of the last token of the prompt."""
    import torch

    with torch.no_grad():
        return model(input_ids=tokenizer(PROMPT, return_tensors="pt")["input_ids"]).logits[0, -1].float()


@pytest.mark.parametrize("method", ["ia3", "bottleneck", "prompt-tuning", "prefix-tuning", "p-tuning-v2"])
def test_it_learns_loads_and_answers(
    method: str, trained: Callable[..., Path], tiny_model: Path, tiny_data: Path, listener: Any
) -> None:
    """A trained adapter, loaded from disk, has the held-out loss of the training, below the base's, and generates."""
    from advisor.domain.plan import DataSpec
    from executors.datasets import load
    from executors.datasets.render import encode
    from executors.metrics.answers import answer_losses, mean_loss
    from executors.metrics.speed import answer

    folder = trained(method)
    rows = load(DataSpec(path=str(tiny_data), kind="instructions", held_out=0.2), "held-out")
    losses = []
    for adapter in (None, str(folder)):
        loaded = load_model("causal-lm", str(tiny_model), adapter=adapter)
        losses.append(mean_loss(answer_losses(loaded.model, encode(rows, loaded.tokenizer, 96))))
    assert losses[1] < losses[0] - 0.05
    assert listener.metrics["held_out_loss"] == pytest.approx(losses[1], abs=0.05)
    assert len(answer(loaded.model, loaded.tokenizer, [PROMPT, "f"], 4)) == 2


@pytest.mark.parametrize("placement", ["pfeiffer", "houlsby"])
def test_fresh_bottlenecks_change_nothing(placement: str, tiny_model: Path) -> None:
    """Before training a model with bottlenecks computes what it computed without; Houlsby's are twice as many."""
    import torch

    loaded = load_model("causal-lm", str(tiny_model))
    before = logits(loaded.model, loaded.tokenizer)
    model = add_adapter(loaded.model, AdapterSettings(method="bottleneck", rank=4, placement=placement))
    assert torch.equal(logits(model, loaded.tokenizer), before)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == 2 * (64 * 4 * 2 + 64 + 4) * (2 if placement == "houlsby" else 1)


@pytest.mark.parametrize("method", ["prefix-tuning", "p-tuning-v2", "prompt-tuning"])
def test_soft_prompts_begin_as_real_words(method: str, tiny_model: Path) -> None:
    """A fresh soft prompt does to the model what the words it begins from do."""
    import torch

    loaded = load_model("causal-lm", str(tiny_model), precision="fp32")
    words = loaded.tokenizer("It returns the list.", add_special_tokens=False)["input_ids"]
    following = loaded.tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        wanted = loaded.model(input_ids=torch.tensor([words + following])).logits[0, -1]
    settings = AdapterSettings(method=method, virtual_tokens=len(words))
    model = add_adapter(loaded.model, settings, loaded.tokenizer, "It returns the list.").eval()
    with torch.no_grad():
        found = model(input_ids=torch.tensor([following])).logits[0, -1]
    assert (found - wanted).abs().max() < 1e-3


SHARES = [
    # method, settings, lowest and highest share of a 7B Llama (004 section 3b-ii and 3c)
    ("lora", {}, 0.001, 0.01),
    ("dora", {}, 0.001, 0.01),
    ("lora", {"targets": ("q_proj", "v_proj")}, 0.001, 0.01),
    ("ia3", {}, 0.00005, 0.00015),
    ("p-tuning-v2", {}, 0.0005, 0.0015),
    ("bottleneck", {"rank": 64}, 0.001, 0.01),
]


@pytest.fixture(scope="module")
def seven_billion() -> Callable[[], Any]:
    """A Llama of 7B without storage."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    def make() -> Any:
        with torch.device("meta"):
            return LlamaForCausalLM(LlamaConfig(num_hidden_layers=32, hidden_size=4096, intermediate_size=11008))

    return make


@pytest.mark.parametrize(("method", "changes", "low", "high"), SHARES)
def test_shares_are_those_of_the_sources(
    method: str, changes: dict[str, Any], low: float, high: float, seven_billion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a 7B model LoRA and DoRA train 0.1-1 %, IA3 about 0.01 % and a prefix about 0.1 % of the parameters."""
    from executors.adapters import soft

    monkeypatch.setattr(soft, "begin_from_text", lambda *_: None)
    model = seven_billion()
    whole = model.num_parameters()
    adapted = add_adapter(model, AdapterSettings(method=method, **changes))
    share = sum(p.numel() for p in adapted.parameters() if p.requires_grad) / whole
    assert low <= share <= high


def test_a_prompt_has_about_twenty_thousand_parameters(seven_billion: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt of five tokens, the shortest of the paper's usual ones, has 20,480 parameters on a 7B model."""
    from executors.adapters import soft

    monkeypatch.setattr(soft, "begin_from_text", lambda *_: None)
    adapted = add_adapter(seven_billion(), AdapterSettings(method="prompt-tuning", virtual_tokens=5))
    assert sum(p.numel() for p in adapted.parameters() if p.requires_grad) == 20_480


def test_the_trained_share_is_reported(trained: Callable[..., Path], listener: Any) -> None:
    """A prefix reports what was trained with its network, and the much smaller part that is kept."""
    trained("prefix-tuning", max_steps=1)
    assert listener.metrics["kept_parameters"] == 20 * 2 * 2 * 32
    assert listener.metrics["trained_share"] > listener.metrics["kept_share"]


@pytest.mark.parametrize("method", ["lora", "bottleneck", "ia3"])
def test_adapters_are_swapped_stacked_and_taken_off(
    method: str, trained: Callable[..., Path], tiny_model: Path
) -> None:
    """On one base in memory each adapter gives what it gives alone, two act together, and none leaves the base."""
    import torch

    folders = {name: trained(method, name, seed=seed, max_steps=8) for name, seed in (("a", 1), ("b", 2))}
    loaded = load_model("causal-lm", str(tiny_model))
    base = logits(loaded.model, loaded.tokenizer)
    alone = {}
    for name, folder in folders.items():
        one = load_model("causal-lm", str(tiny_model), adapter=str(folder))
        alone[name] = logits(one.model, one.tokenizer)
    shelf = AdapterShelf(loaded.model)
    for name, folder in folders.items():
        shelf.add(name, folder)
    for name in ("b", "a", "b"):
        assert torch.equal(logits(shelf.use(name), loaded.tokenizer), alone[name])
    both = logits(shelf.use("a", "b"), loaded.tokenizer)
    assert not torch.equal(both, alone["a"])
    assert not torch.equal(both, alone["b"])
    assert torch.equal(logits(shelf.use(), loaded.tokenizer), base)
    with pytest.raises(AdvisorError, match="no adapter 'c'"):
        shelf.use("c")


def test_soft_prompts_are_swapped_and_not_stacked(trained: Callable[..., Path], tiny_model: Path) -> None:
    """Two prompts share a base and are swapped; stacking them, or another kind beside them, is refused."""
    folders = [trained("prompt-tuning", str(seed), seed=seed, max_steps=4) for seed in (1, 2)]
    loaded = load_model("causal-lm", str(tiny_model))
    shelf = AdapterShelf(loaded.model)
    for number, folder in enumerate(folders):
        shelf.add(f"p{number}", folder)
    first, second = (logits(shelf.use(name), loaded.tokenizer) for name in ("p0", "p1"))
    assert not (first == second).all()
    with pytest.raises(AdvisorError, match="cannot be stacked"):
        shelf.use("p0", "p1")
    with pytest.raises(AdvisorError, match="cannot share a base"):
        shelf.add("l", trained("lora", max_steps=1))


def test_an_adapter_of_another_shape_is_refused(
    trained: Callable[..., Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Adapters of another base are refused with a sentence."""
    other = make_model(tmp_path / "other", num_hidden_layers=3, hidden_size=32)
    for method in ("lora", "bottleneck", "ia3"):
        with pytest.raises(AdvisorError, match="does not fit this model"):
            load_model("causal-lm", str(other), adapter=str(trained(method, max_steps=1)))
