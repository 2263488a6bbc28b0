"""A small document model, and the three ways it is written: plain text, Markdown, HTML.

Reports are built once as blocks and rendered by these functions, so the formats cannot tell different stories.
Text that came from data is made safe here: control characters never reach a terminal, markup never reaches a page.
"""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass

WIDTH = 100
"""Columns of the plain text."""


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullet:
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bullets:
    items: tuple[Bullet, ...]
    is_numbered: bool = False


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    """Columns set flush right."""


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Figure:
    """A picture in two forms. The SVG is built here, never taken from data, its texts escaped."""

    text: str
    svg: str
    caption: str


Block = Figure | Heading | Paragraph | Bullets | Table | Code


def printable(text: str) -> str:
    """`text` without control and format characters (line breaks become spaces)."""
    if text.isprintable():
        return text
    flat = text.replace("\n", " ").replace("\t", " ")
    return "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in flat)


def to_text(blocks: list[Block], width: int = WIDTH) -> str:
    """The blocks as plain text of at most `width` columns (tables may be wider), without colour."""
    parts = [_text_block(block, width) for block in blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_markdown(blocks: list[Block]) -> str:
    """The blocks as GitHub-flavoured Markdown."""
    return "\n\n".join(_markdown_block(block) for block in blocks) + "\n"


def to_html(blocks: list[Block], title: str) -> str:
    """The blocks as one HTML file that opens offline and prints well."""
    body = "\n".join(_html_block(block) for block in blocks)
    return _PAGE.replace("{title}", _escape(title)).replace("{body}", body)


def _wrap(text: str, width: int, first: str = "", rest: str = "") -> str:
    wrapped = textwrap.wrap(
        printable(text),
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapped) or first.rstrip()


def _text_block(block: Block, width: int) -> str:
    match block:
        case Heading(text, 1):
            return f"{printable(text)}\n{'=' * len(text)}"
        case Heading(text):
            return f"{printable(text)}\n{'-' * len(text)}"
        case Paragraph(text):
            return _wrap(text, width)
        case Code(text):
            return "\n".join(f"  {printable(line)}" for line in text.splitlines())
        case Figure(text, _, caption):
            return "\n".join([printable(caption), *(printable(line) for line in text.splitlines())])
        case Table():
            return _text_table(block)
        case Bullets(items, is_numbered):
            return "\n".join(
                _text_bullet(item, f"{n}. " if is_numbered else "- ", width) for n, item in enumerate(items, 1)
            )


def _text_bullet(item: Bullet, mark: str, width: int) -> str:
    pad = " " * len(mark)
    lines = [_wrap(item.text, width, mark, pad)]
    lines += [_wrap(detail, width, pad, pad + "  ") for detail in item.details]
    return "\n".join(lines)


def _text_table(table: Table) -> str:
    rows = [table.columns, *table.rows]
    widths = [max(len(printable(row[i])) for row in rows) for i in range(len(table.columns))]
    lines = []
    for number, row in enumerate(rows):
        cells = (_pad(printable(cell), widths[i], i in table.right) for i, cell in enumerate(row))
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("-" * w for w in widths))
    return "\n".join(lines)


def _pad(cell: str, width: int, is_right: bool) -> str:
    return cell.rjust(width) if is_right else cell.ljust(width)


def _markdown_escape(text: str) -> str:
    safe = printable(text)
    for char in "\\`*_<>|#[]":
        safe = safe.replace(char, "\\" + char)
    return safe


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_markdown_escape(text)}"
        case Paragraph(text):
            return _markdown_escape(text)
        case Code(text):
            return "```\n" + "\n".join(printable(line) for line in text.replace("```", "'''").splitlines()) + "\n```"
        case Figure(text, _, caption):
            return f"{_markdown_escape(caption)}\n\n```\n" + "\n".join(map(printable, text.splitlines())) + "\n```"
        case Table(columns, rows, right):
            rule = ["---:" if i in right else "---" for i in range(len(columns))]
            lines = [
                [_markdown_escape(c) for c in columns],
                rule,
                *([_markdown_escape(c) for c in row] for row in rows),
            ]
            return "\n".join("| " + " | ".join(line) + " |" for line in lines)
        case Bullets(items, is_numbered):
            lines_out = []
            for number, item in enumerate(items, 1):
                mark = f"{number}. " if is_numbered else "- "
                lines_out.append(mark + _markdown_escape(item.text))
                lines_out += [" " * len(mark) + "- " + _markdown_escape(detail) for detail in item.details]
            return "\n".join(lines_out)


def _escape(text: str) -> str:
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace('"', "&quot;").replace("'", "&#39;")


def _html_block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_escape(text)}</p>"
        case Code(text):
            return "<pre>" + "\n".join(_escape(line) for line in text.splitlines()) + "</pre>"
        case Figure(_, svg, caption):
            return f"<figure>{svg}<figcaption>{_escape(caption)}</figcaption></figure>"
        case Table(columns, rows, right):
            head = "".join(f"<th>{_escape(c)}</th>" for c in columns)
            body = "".join(
                "<tr>" + "".join(_html_cell(c, i in right) for i, c in enumerate(row)) + "</tr>" for row in rows
            )
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case Bullets(items, is_numbered):
            tag = "ol" if is_numbered else "ul"
            return f"<{tag}>" + "".join(_html_bullet(item) for item in items) + f"</{tag}>"


def _html_cell(text: str, is_right: bool) -> str:
    return f'<td class="r">{_escape(text)}</td>' if is_right else f"<td>{_escape(text)}</td>"


def _html_bullet(item: Bullet) -> str:
    details = "".join(f"<li>{_escape(d)}</li>" for d in item.details)
    return f"<li>{_escape(item.text)}{f'<ul>{details}</ul>' if details else ''}</li>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd}
.r{text-align:right;font-variant-numeric:tabular-nums}pre{background:#f4f4f4;padding:.6rem;overflow-x:auto}
@media (prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}pre{background:#242424}
th,td{border-color:#444}}
@media print{body{margin:0;max-width:none;color:#000;background:#fff}h2{break-after:avoid}tr{break-inside:avoid}}
</style></head><body>
{body}
</body></html>
"""
