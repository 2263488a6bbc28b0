"""One training engine around TRL and PEFT: data order, checkpoints that verify, resume, events, memory, numbers."""
