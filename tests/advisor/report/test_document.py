"""One list of blocks, three formats; text from data can neither drive a terminal nor become markup."""

from __future__ import annotations

from advisor.report.document import (
    Block,
    Bullet,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Table,
    printable,
    to_html,
    to_markdown,
    to_text,
)

BLOCKS: list[Block] = [
    Heading("Title", 1),
    Paragraph("Some words."),
    Bullets((Bullet("first", ("detail",)), Bullet("second")), is_numbered=True),
    Table(("name", "value"), (("a", "1"), ("bb", "22")), frozenset({1})),
    Code("advisor run plan.yaml"),
]


def test_text_aligns_tables_and_indents_details() -> None:
    """Columns line up, numbers stand right, details hang below their bullet."""
    assert to_text(BLOCKS) == (
        "Title\n=====\n\nSome words.\n\n1. first\n   detail\n2. second\n\n"
        "name  value\n----  -----\na         1\nbb       22\n\n  advisor run plan.yaml\n"
    )


def test_markdown_and_html_hold_the_same_words() -> None:
    """Every word of the text stands in the other formats too."""
    for rendered in (to_markdown(BLOCKS), to_html(BLOCKS, "Title")):
        for word in ("Title", "Some words.", "first", "detail", "second", "22", "advisor run plan.yaml"):
            assert word in rendered


def test_hostile_text_is_made_harmless() -> None:
    """Escape sequences are dropped from all formats, markup is escaped in HTML and Markdown."""
    hostile: list[Block] = [Paragraph("\x1b]0;owned\x07<script>alert(1)</script> [x](http://a) | a\u202eb")]
    for rendered in (to_text(hostile), to_markdown(hostile), to_html(hostile, "x")):
        assert "\x1b" not in rendered and "\x07" not in rendered and "\u202e" not in rendered
    assert "<script>" not in to_html(hostile, "<script>")
    assert "\\<script\\>" in to_markdown(hostile) and "\\[x\\]" in to_markdown(hostile)


def test_printable_keeps_ordinary_text() -> None:
    """Letters of any script stay; line breaks become spaces."""
    assert printable("Größe 日本\nok") == "Größe 日本 ok"
