"""What is put in front of a trainer."""

from __future__ import annotations

from pathlib import Path

from executors.training.engine import make_class


def test_one_process_uses_one_gpu(tmp_path: Path) -> None:
    """Where several GPUs are visible the Trainer neither copies the model over them nor multiplies the batch."""
    import torch
    from transformers import Trainer, TrainingArguments

    args = TrainingArguments(str(tmp_path), per_device_train_batch_size=3, use_cpu=True, report_to=[])
    assert args.device.type == "cpu"  # asking for it counts the GPUs; what is set afterwards stays
    args._n_gpu = 4
    assert args.train_batch_size == 12
    model = torch.nn.Linear(2, 2)
    trainer = make_class(Trainer)(model=model, args=args)
    assert (trainer.args.n_gpu, trainer._train_batch_size) == (1, 3)
    assert trainer._wrap_model(model) is model
