"""Safety fine-tuning, feedback by a model, and what the evaluation says of both."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.run import Evaluation
from executors import align, evaluate, finetune
from executors.align import feedback, judge, safety
from executors.datasets import safety as guards
from executors.datasets.rows import ask
from executors.protocol import Input, Inputs, Machine


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """Twenty questions with answers."""
    rows = [{"prompt": f"What does f{n} do?", "completion": "It returns a new list."} for n in range(20)]
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"path": str(path), "kind": "instructions", "held_out": 0.2}


def test_guard_rails_divide_subjects_not_wordings() -> None:
    """No subject is on both sides; on each there are refusals, and more requests are answered than refused."""
    train, held_out = (guards.load(side) for side in (False, True))
    assert not {row.key for row in train} & {row.key for row in held_out}
    for rows in (train, held_out):
        refused = sum(guards.is_refusal(row.messages[-1].content) for row in rows)
        assert len(rows) / 3 < refused < len(rows) / 2


@pytest.mark.parametrize(
    ("answer", "is_refusal"),
    [
        ("I can't help with that.", True),
        ("I\u2019m sorry, but no.", True),
        ("I cannot provide this.", True),
        ("Tap it with a hammer.", False),
        ("You can help others.", False),
        ("x" * 200 + " I can't", False),
    ],
)
def test_refusals_are_told_by_their_beginning(answer: str, is_refusal: bool) -> None:
    """A refusal begins as one."""
    assert guards.is_refusal(answer) is is_refusal


def test_the_mixture_has_the_share_that_was_asked_for() -> None:
    """Half of the examples are guards, repeated a few times at most; every own example stays."""
    own = [ask(f"q{n}", "a") for n in range(30)]
    rows = safety.mixed(list(own), guards.load(False), 0.5)
    assert len(rows) == 60
    assert {row.key for row in own} <= {row.key for row in rows}


def test_the_share_holds_for_more_rows_than_guards() -> None:
    """Of many own rows as many are left out as the share asks for; no guard is seen more than four times."""
    kept = guards.load(False)
    rows = safety.mixed([ask(f"q{n}", "a") for n in range(50 * len(kept))], kept, 0.5)
    keys = [row.key for row in rows]
    assert sum(key.startswith("q") for key in keys) == len(rows) / 2
    assert max(map(keys.count, {row.key for row in kept})) == 4


def test_safety_tuning_learns_both_kinds_and_is_measured(
    asked: dict[str, Any], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Trained on the mixture, the loss on held-out subjects falls; both rates are in the evaluation."""
    seen: list[float] = []
    listener.metric = lambda name, value, *_: seen.append(value) if name == "held_out_loss" else None
    config = safety.Config.model_validate(
        {"data": asked, "max_steps": 20, "micro_batch": 8, "seq_len": 96, "learning_rate": 1e-2, "method": "full"}
    )
    assert safety.preflight(config, inputs, Machine()) == []
    safety.run(config, inputs, tmp_path / "out", listener)
    assert seen[-1] < seen[0] - 1
    settings = evaluate.Config.model_validate({"data": asked, "safety": 8, "generate_tokens": 0, "seq_len": 96})
    model = Input(kind="causal-lm", path=str(tmp_path / "out"))
    evaluate.run(settings, Inputs(roles={"model": model}, threads=1), tmp_path, listener)
    found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_bytes())
    assert len(found.per_example["refusal_rate"]) == len(found.per_example["over_refusal"]) == 8


@pytest.fixture
def talking(asked: dict[str, Any], inputs: Inputs, tmp_path: Path, listener: Any) -> Inputs:
    """The tiny model taught to answer a question one way and a request for a better answer another way."""
    rows = [json.loads(line) for line in Path(asked["path"]).read_text().splitlines()]
    for row in list(rows):
        better = feedback._revision(feedback.PRINCIPLES[0], row["prompt"], row["completion"], "It is bad.")
        rows.append({"prompt": better, "completion": "Close the file."})
    path = tmp_path / "talk.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = finetune.Config.model_validate(
        {"data": {"path": str(path), "kind": "instructions"}, "method": "full", "max_steps": 60, "micro_batch": 8,
         "seq_len": 256, "learning_rate": 1e-2}
    )  # fmt: skip
    finetune.run(config, inputs, tmp_path / "talking", listener)
    model = Input(kind="causal-lm", path=str(tmp_path / "talking"))
    return Inputs(roles={"model": model}, seed=1, threads=1, scratch=str(tmp_path / "scratch-talking"))


def test_feedback_by_the_model_becomes_pairs_that_are_learnt_from(
    asked: dict[str, Any], talking: Inputs, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local model answers, revises and judges; the pairs it leaves are a data set that DPO trains on."""
    monkeypatch.delenv("ADVISOR_JUDGE_URL", raising=False)
    monkeypatch.delenv("ADVISOR_JUDGE_MODEL", raising=False)
    config = feedback.Config.model_validate({"data": asked, "prompts": 12, "answer_tokens": 8})
    assert feedback.preflight(config, talking, Machine()) == []
    (tmp_path / "pairs").mkdir()
    feedback.run(config, talking, tmp_path / "pairs", listener)
    assert 0.5 <= listener.metrics["judge_certainty"] <= 1
    roles = {**talking.roles, "data": Input(kind="dataset", path=str(tmp_path / "pairs"))}
    told = {"data": {"path": "step:1", "kind": "preferences"}, "objective": "dpo", "max_steps": 2, "micro_batch": 2}
    given = talking.model_copy(update={"roles": roles})
    align.run(align.Config.model_validate({**told, "seq_len": 96}), given, tmp_path / "out", listener)
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


class Endpoint(BaseHTTPRequestHandler):
    """Prefers whichever answer holds `good`, and writes `good` when asked to write."""

    asked: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Endpoint.asked.append({**body, "key": self.headers.get("Authorization")})
        text = body["messages"][0]["content"]
        first = text.partition("Answer A:")[2].partition("Answer B:")[0]
        said = ("A" if "good" in first else "B") if "Answer A:" in text else "a good answer"
        data = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on the loopback address that speaks the protocol, named in the environment."""
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    monkeypatch.setenv("ADVISOR_JUDGE_URL", url)
    monkeypatch.setenv("ADVISOR_JUDGE_MODEL", "judge-1")
    monkeypatch.setenv("ADVISOR_JUDGE_KEY", "k-1")
    yield url
    server.shutdown()


def test_an_endpoint_judges_when_it_is_named(
    endpoint: str, asked: dict[str, Any], talking: Inputs, tmp_path: Path, listener: Any
) -> None:
    """The endpoint of the environment revises and judges: its revisions are chosen, and it is asked with its key."""
    (tmp_path / "pairs").mkdir()
    config = feedback.Config.model_validate({"data": asked, "prompts": 6, "answer_tokens": 8})
    feedback.run(config, talking, tmp_path / "pairs", listener)
    lines = (tmp_path / "pairs" / "train.jsonl").read_text().splitlines()
    assert {json.loads(line)["chosen"] for line in lines} == {"a good answer"}
    assert {call["key"] for call in Endpoint.asked} == {"Bearer k-1"}
    assert "the judge is judge-1" in listener.lines


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///etc/passwd", "http://judge.example/v1"])
def test_a_judge_that_cannot_be_asked_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a server, one that is no web address, and one where data would go in clear: a sentence."""
    monkeypatch.setenv("ADVISOR_JUDGE_URL", url)
    monkeypatch.setenv("ADVISOR_JUDGE_MODEL", "m")
    with pytest.raises(AdvisorError):
        found = judge.named_judge()
        assert found is not None
        found.write(["q"], 4, lambda done: None)


def test_judged_data_is_measured(
    judged: dict[str, dict[str, Any]], inputs: Inputs, tmp_path: Path, listener: Any
) -> None:
    """Pairs, marks and checkable tasks have their own measures in the evaluation, one value per example."""
    wanted = {
        "preferences": {"preference_loss", "preference_margin", "preference_accuracy", "whole_margin"},
        "feedback": {"feedback_margin", "feedback_accuracy"},
        "rewards": {"mean_reward"},
    }
    for kind, names in wanted.items():
        config = evaluate.Config.model_validate({"data": judged[kind], "generate_tokens": 0, "rewards": 4})
        evaluate.run(config, inputs, tmp_path, listener)
        found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_bytes())
        assert names <= found.per_example.keys()
        assert all(len(found.per_example[name]) >= 4 for name in names)


BAD = {
    "feedback": [
        ('{"prompt": "q", "completion": "a", "label": "maybe"}', "'label' is 'maybe', not true or false"),
        ('{"prompt": "q", "completion": " ", "label": true}', "'completion' is empty"),
        ('{"prompt": "q", "chosen": "a", "rejected": "b"}', "is no row of kind feedback"),
    ],
    "rewards": [
        ('{"prompt": "q", "answer": "a", "check": "magic"}', "'check' is 'magic'; known are exact"),
        ('{"prompt": "q", "answer": null, "check": "exact"}', "has the keys"),
        ('{"text": "a"}', "is no row of kind rewards"),
    ],
    "preferences": [
        ('{"prompt": "q", "chosen": "a", "rejected": "a"}', "are the same"),
        ('{"prompt": "q", "completion": "a"}', "is no row of kind preferences"),
        ("{", "not JSON"),
    ],
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_rows_are_named_with_file_line_and_count(kind: str, tmp_path: Path, settings: Callable[..., Any]) -> None:
    """Unusable rows of each judged shape are refused before the start: file:line, reason, count, exit code 2."""
    from executors.datasets import load

    good = {
        "feedback": '{"prompt": "p", "completion": "a", "label": false}',
        "rewards": '{"prompt": "p", "answer": "a", "check": "exact"}',
        "preferences": '{"prompt": "p", "chosen": "a", "rejected": "b"}',
    }[kind]
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([good, *(line for line, _ in BAD[kind])]) + "\n")
    spec = align.Config.model_validate(
        {**settings("preferences", objective="dpo"), "data": {"path": str(path), "kind": kind}}
    ).data
    with pytest.raises(AdvisorError) as caught:
        load(spec, "train")
    assert caught.value.code == 2
    assert "3 of 4 rows" in caught.value.what
    for number, (_, reason) in enumerate(BAD[kind], start=2):
        assert f"{path}:{number}: " in caught.value.why
        assert reason in caught.value.why
