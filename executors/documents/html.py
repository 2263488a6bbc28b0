"""HTML as text with Markdown headings, by the standard library. Scripts, styles and comments are not text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from executors.documents.clean import decode

_SILENT = {"script", "style", "template", "noscript", "svg", "math", "head", "iframe", "object", "canvas", "nav"}
_BREAKS = {
    "p", "div", "br", "li", "tr", "table", "ul", "ol", "dl", "dt", "dd", "section", "article", "header", "footer",
    "main", "blockquote", "pre", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "figure", "figcaption", "aside",
}  # fmt: skip
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_CHARSET = re.compile(rb"charset=[\"']?\s*([A-Za-z0-9_.:-]{1,40})")
_SPACE = re.compile(r"\s+")


def read_html(raw: bytes) -> tuple[str, str]:
    """Title and text. Raises ValueError for bytes that are no text."""
    parser = _Text()
    parser.feed(_decode(raw))
    parser.close()
    return _SPACE.sub(" ", "".join(parser.title)).strip(), parser.text()


def _decode(raw: bytes) -> str:
    declared = _CHARSET.search(raw[:4096])
    if declared:
        try:
            return raw.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeError):
            pass  # declared wrongly: told from the bytes
    return decode(raw)[0]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self._parts: list[str] = []
        self._silent: list[str] = []
        self._in_title = False
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        if tag in _SILENT:
            self._silent.append(tag)
        if tag == "body":
            self._silent.clear()
        if tag == "pre":
            self._pre += 1
        if tag in _HEADINGS:
            self._parts.append(f"\n\n{_HEADINGS[tag]} ")
        elif tag == "li":
            self._parts.append("\n- ")
        elif tag in ("td", "th"):
            self._parts.append(" | ")
        elif tag in _BREAKS:
            self._parts.append("\n" if tag in ("br", "tr") else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in self._silent:
            while self._silent.pop() != tag:
                pass
        if tag == "pre":
            self._pre = max(0, self._pre - 1)
        if tag in _BREAKS and tag not in ("li", "tr"):
            self._parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._silent:
            self._parts.append(data if self._pre else _SPACE.sub(" ", data))

    def text(self) -> str:
        lines = [
            line.rstrip() if line.startswith((" ", "\t")) else line.strip() for line in "".join(self._parts).split("\n")
        ]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
