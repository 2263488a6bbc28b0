"""K-quants by llama.cpp itself: a process of its own, since a native crash must not end the step.

`python -m executors.export.llama_cpp_quantize SOURCE TARGET NUMBER` makes a file of ggml's type NUMBER of a 16-bit one.
Needs the optional package `llama-cpp-python`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode
from executors.export.gguf_form import FILE_TYPE
from executors.export.llama_cpp_choices import is_installed

SECONDS = 24 * 3600
HINT = "install llama-cpp-python, or use type Q4_1, Q4_0, Q5_1 or Q5_0, which need no llama.cpp"


def require_llama_cpp(form: str) -> None:
    """Raise AdvisorError when llama.cpp is not there to write a K-quant."""
    if not is_installed():
        raise AdvisorError(f"{form} is written by llama.cpp, which is not installed", hint=HINT)


def quantize(source: Path, target: Path, form: str) -> None:
    """Write `target` in a form of K_QUANTS from the 16-bit file `source`. Raises AdvisorError when llama.cpp fails."""
    require_llama_cpp(form)
    command = [sys.executable, "-m", "executors.export.llama_cpp_quantize", str(source), str(target)]
    done = subprocess.run(
        [*command, str(FILE_TYPE[form])], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0 or not target.is_file():
        said = done.stderr.strip().splitlines()
        raise AdvisorError(
            f"llama.cpp did not write {target.name}",
            why=said[-1] if said else f"it ended with status {done.returncode}",
            hint=HINT,
            code=ExitCode.RUN_FAILED,
        )


def _quantize(source: str, target: str, number: int) -> int:
    import llama_cpp

    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = number
    settings.nthread = 0
    return int(llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings))


if __name__ == "__main__":
    sys.exit(_quantize(sys.argv[1], sys.argv[2], int(sys.argv[3])))
