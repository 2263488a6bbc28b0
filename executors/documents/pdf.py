"""The text layer of a PDF, page by page, by pypdf (BSD). Scanned pages have none."""

from __future__ import annotations

import logging
from pathlib import Path

MOST_PAGES = 5000


def read_pdf(path: Path, longest: int) -> tuple[str, str]:
    """Title and text of at most `longest` characters and a few. Raises whatever pypdf raises over a broken file."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    pdf = PdfReader(str(path), strict=False)
    if pdf.is_encrypted and not pdf.decrypt(""):
        raise ValueError("is encrypted")
    parts: list[str] = []
    length = broken = 0
    for number, page in enumerate(pdf.pages):
        if number >= MOST_PAGES or length > longest:
            break
        try:
            text = page.extract_text()
        except MemoryError:
            raise
        except Exception:  # one broken page does not spoil the others
            broken += 1
            continue
        parts.append(text)
        length += len(text)
    if broken and not any(part.strip() for part in parts):
        raise ValueError(f"none of its {broken} pages can be read")
    return _title(pdf), "\n\n".join(parts)


def _title(pdf: object) -> str:
    try:
        return str(pdf.metadata.title or "")  # type: ignore[attr-defined]
    except Exception:  # metadata of a broken file
        return ""
