"""Parameters from dimensions, and dimensions from a size."""

from __future__ import annotations

import pytest

from advisor.domain.architecture import ModelShape
from advisor.engine.estimate.shapes import active_params, count_params, linears, shape_from_params

LLAMA_2_7B = ModelShape(
    layers=32, hidden=4096, intermediate=11008, heads=32, kv_heads=32, head_dim=128, vocab=32000, name="Llama-2-7b"
)


def test_llama_2_7b_is_counted_to_the_last_parameter() -> None:
    """Llama 2 7B has 6 738 415 616 parameters."""
    assert count_params(LLAMA_2_7B) == 6_738_415_616


@pytest.mark.parametrize("params_b", [0.01, 0.135, 0.5, 1.0, 3.0, 7.0, 13.0, 30.0, 70.0, 405.0, 1000.0])
def test_dimensions_from_a_size_have_that_size(params_b: float) -> None:
    """Synthesised dimensions hold the parameters asked for, within two percent, and heads that group evenly."""
    shape = shape_from_params(params_b)
    bare = shape.model_copy(update={"params": None})
    assert count_params(bare) == pytest.approx(params_b * 1e9, rel=0.02)
    assert shape.heads % shape.kv_heads == 0


def test_no_size_gives_a_model_without_parameters() -> None:
    """A size below one parameter, typed by mistake, is counted as one parameter: nothing divides by none of them."""
    assert shape_from_params(1e-12).params == 1


def test_a_routed_model_computes_with_fewer_parameters_than_it_has() -> None:
    """Mixtral 8x7B has 46.7 billion parameters and uses about 12.9 billion for a token."""
    mixtral = LLAMA_2_7B.model_copy(
        update={"arch": "mixtral", "intermediate": 14336, "kv_heads": 8, "experts": 8, "experts_active": 2}
    )
    assert count_params(mixtral) == pytest.approx(46.7e9, rel=0.01)
    assert active_params(mixtral) == pytest.approx(12.8e9, rel=0.02)


def test_latent_attention_has_its_own_matrices() -> None:
    """With a key/value rank the keys and values come from a compressed vector."""
    latent = LLAMA_2_7B.model_copy(update={"kv_rank": 512, "rope_head_dim": 64, "head_dim": 192, "value_head_dim": 128})
    names = [linear.name for linear in linears(latent)]
    assert "kv_a_proj_with_mqa" in names
    assert "k_proj" not in names
