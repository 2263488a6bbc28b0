"""The ladder of fixes: what it offers, and that each rung keeps its promise."""

from __future__ import annotations

from advisor.domain.estimate import EstimateModel, EstimateRequest
from advisor.engine.estimate import estimate
from advisor.engine.estimate.ladder import fixes


def request(**change: object) -> EstimateRequest:
    return EstimateRequest(model=EstimateModel(params_b=7), micro_batch=4, seq_len=2048).model_copy(update=change)


def test_what_fits_needs_no_fix() -> None:
    """A request below the limit has an empty ladder."""
    assert fixes(request(), 1000) == ()


def test_every_rung_saves_what_it_says() -> None:
    """Each rung's peak is the estimate of its request, below the peak before it by what it claims to save."""
    start = request(method="full", precision="fp32")
    before = estimate(start).peak_gib.expected
    ladder = fixes(start, 6)
    assert len(ladder) >= 5
    for fix in ladder:
        after = estimate(fix.request).peak_gib.expected
        assert after == fix.peak_gib
        assert abs((before - after) - fix.saved_gib) < 1e-9
        assert fix.saved_gib > 0
        before = after


def test_it_stops_at_the_first_rung_that_fits() -> None:
    """Only the last rung fits, and it does."""
    ladder = fixes(request(method="lora"), 16)
    assert [fix.fits for fix in ladder] == [False] * (len(ladder) - 1) + [True]
    assert ladder[-1].peak_gib <= 16


def test_the_effective_batch_stays() -> None:
    """A smaller micro-batch comes with as much more accumulation."""
    last = [fix for fix in fixes(request(method="lora"), 1) if "micro-batch" in fix.change][-1]
    assert last.request.micro_batch * last.request.accumulation == 4


def test_more_gpus_are_used_when_there_are_any() -> None:
    """Sharing the model is offered where several GPUs are there, and only there."""
    shared = [fix for fix in fixes(request(method="full"), 20, gpus=8) if "GPUs" in fix.change]
    assert shared and shared[0].request.sharding == "fsdp"
    assert not any("GPUs" in fix.change for fix in fixes(request(method="full"), 20))


def test_inference_is_helped_by_quantizing() -> None:
    """A model that is too large to serve is offered in 4 bits."""
    ladder = fixes(request(method="inference", micro_batch=1), 8)
    assert ladder[-1].fits
    assert ladder[-1].request.quant.bits == 4
