"""Documents of all kinds, good and hostile."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from advisor.domain.errors import AdvisorError
from advisor.domain.plan import DataSpec
from executors.documents import Document, Skipped, read_documents
from executors.documents.clean import LONGEST, clean, decode
from executors.documents.questions import Question, blanks, load_questions
from executors.retrieve.bm25 import terms
from executors.retrieve.chunks import Chunking, cut

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def read(folder: Path) -> tuple[dict[str, Document], dict[str, str]]:
    found = list(read_documents(str(folder)))
    documents = {d.source: d for d in found if isinstance(d, Document)}
    return documents, {s.source: s.reason for s in found if isinstance(s, Skipped)}


def write_docx(path: Path, body: str, doctype: str = "") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        xml = f'<?xml version="1.0"?>{doctype}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
        archive.writestr("word/document.xml", xml)


def write_pdf(path: Path, text: str) -> None:
    """A PDF of one page, written by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    path.write_bytes(data + tail % (table, len(data)))


def test_every_kind_of_document_is_read(tmp_path: Path) -> None:
    """Text, Markdown, HTML, PDF and DOCX give their text and title, headings kept, scripts left out."""
    (tmp_path / "a.txt").write_text("Plain words.")
    (tmp_path / "2024-05-06-b.md").write_text("# Title of b\n\nSome *text*.")
    page = "<title>Page</title><body><h2>Head</h2><p>Body &amp; soul<script>alert(1)</script></p><!-- no --></body>"
    (tmp_path / "c.html").write_text(page)
    write_pdf(tmp_path / "d.pdf", "Words in a PDF")
    style = '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Top</w:t></w:r></w:p>'
    write_docx(tmp_path / "sub.docx", f"{style}<w:p><w:r><w:t>Inside Word.</w:t></w:r></w:p>")
    documents, skipped = read(tmp_path)
    assert not skipped
    assert documents["a.txt"].text == "Plain words."
    assert documents["2024-05-06-b.md"].title == "Title of b"
    assert documents["2024-05-06-b.md"].date == "2024-05-06"
    assert documents["c.html"].title == "Page"
    assert documents["c.html"].text == "## Head\n\nBody & soul"
    assert documents["d.pdf"].text == "Words in a PDF"
    assert documents["sub.docx"].text == "# Top\n\nInside Word."


def test_hostile_documents_are_skipped_with_a_reason(tmp_path: Path) -> None:
    """Broken, unreadable, deeply nested and foreign files end no reading: each is named with its reason."""
    (tmp_path / "good.txt").write_text("fine")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n" + os.urandom(2000))
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.4\n1 0 obj<</Type/Catalog")
    (tmp_path / "not-a-zip.docx").write_bytes(b"PK\x03\x04 nothing")
    entities = '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    write_docx(tmp_path / "entities.docx", "<w:p><w:r><w:t>&b;</w:t></w:r></w:p>", entities)
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "program.exe").write_bytes(b"MZ")
    (tmp_path / "out.txt").symlink_to("/etc/hostname")
    (tmp_path / "deep.html").write_text("<div>" * 100_000 + "deep")
    documents, skipped = read(tmp_path)
    assert documents.keys() == {"good.txt", "deep.html"}
    assert skipped.keys() == {
        "broken.pdf", "cut.pdf", "not-a-zip.docx", "entities.docx", "binary.txt", "empty.md", "program.exe", "out.txt",
    }  # fmt: skip
    assert "document type" in skipped["entities.docx"]
    assert "leads out" in skipped["out.txt"]
    assert all(skipped.values())


def test_a_zip_bomb_is_not_expanded(tmp_path: Path) -> None:
    """A Word document whose text expands beyond the limit is refused by its size."""
    with zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (129 * 2**20))
    assert "expands to" in read(tmp_path)[1]["bomb.docx"]


def test_wrong_encodings_are_read_or_named(tmp_path: Path) -> None:
    """UTF-16 by its mark, Windows-1252 with a note; a file cut inside a character loses that character only."""
    (tmp_path / "utf16.txt").write_bytes("größer".encode("utf-16"))
    (tmp_path / "latin.txt").write_bytes("größer als früher".encode("cp1252"))
    documents, _ = read(tmp_path)
    assert documents["utf16.txt"].text == "größer"
    assert documents["latin.txt"].text == "größer als früher"
    assert documents["latin.txt"].notes
    assert decode("größe".encode()[:-1])[0] == "größ"[:4]


def test_control_characters_never_get_through() -> None:
    """Escape sequences, direction overrides, invisible tags and endless words are taken out, and it is said."""
    text, notes = clean("a\x1b[31mred\x1b[0m\u202eb\U000e0041c " + "x" * 5000)
    assert text == "a[31mred[0mbc"
    assert len(notes) == 2


def test_a_line_of_a_hundred_megabytes_is_cut(tmp_path: Path) -> None:
    """One line of 100 MB is read up to the limit, in bounded time, and the rest is named."""
    (tmp_path / "long.txt").write_bytes(b"word " * 20_000_000)
    documents, _ = read(tmp_path)
    assert len(documents["long.txt"].text) <= LONGEST
    assert "only its first" in documents["long.txt"].notes[0]


def test_links_and_names_harm_nothing(tmp_path: Path) -> None:
    """Links in a circle, pipes, names without an encoding or that a terminal obeys: all named, and printable."""
    (tmp_path / "good.txt").write_text("fine")
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "self").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "a\x1b[2J.bin").write_text("x")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.exe")).write_text("x")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xfe.txt")).write_text("read")
    documents, skipped = read(tmp_path)
    assert {d.text for d in documents.values()} == {"fine", "read"}
    assert skipped["one"] == skipped["two"] == "is a link that leads to itself"
    assert skipped["gone.txt"] == "is a link that leads nowhere"
    assert skipped["pipe.txt"] == "is not a file"
    assert len(skipped) == 6
    assert all(text.isprintable() for text in (*skipped, *skipped.values(), *documents))
    assert all("".join(each).encode() for each in skipped.items())


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0315\u0300" * 2**20,
        "\n" + " " * 2**21 + "x",
        ("x" * 1999 + " ") * 1000,
        "# a" + "#" * 2**20 + "x",
        "AB12 1234.5 " * 2**17,
    ],
    ids=["marks", "spaces", "long words", "number signs", "numbers"],
)
def test_no_text_takes_the_square_of_its_length(text: str) -> None:
    """Text that makes one long run of anything is cleaned, cut, asked about and searched; a square would take hours."""
    document = Document("s", "t", clean(text)[0])
    chunks = cut(document, Chunking(), lambda texts: [len(each) // 4 + 1 for each in texts])
    assert sum(len(chunk.text) for chunk in chunks) >= len(document.text.strip()) // 2
    assert all(40 <= len(question.evidence[0]) <= 300 for question in blanks(document))
    assert len(terms(document.text)) <= len(document.text)


def test_missing_documents_are_an_error(tmp_path: Path) -> None:
    """A path with nothing there is said before anything starts."""
    with pytest.raises(AdvisorError, match="no documents"):
        list(read_documents(str(tmp_path / "none")))


def test_questions_on_the_two_sides_differ() -> None:
    """The built-in documents give signature and name questions; held-out ones are never asked in training."""
    spec = DataSpec(path="builtin:stdlib", kind="documents")
    held_out, train = load_questions(spec), load_questions(spec, is_held_out=False)
    assert {question.kind for question in held_out} == {"signature", "name"}
    assert not {question.text for question in held_out} & {question.text for question in train}
    assert held_out == load_questions(spec)


def test_questions_of_a_folder(tmp_path: Path) -> None:
    """Sentences are asked with a name or number left out; a file of questions takes their place."""
    (tmp_path / "a.md").write_text(
        "# Shop\n\n" + "".join(f"The shop in street {n} opens every morning after {n + 100}.\n" for n in range(40))
    )
    spec = DataSpec(path=str(tmp_path), kind="documents", held_out=0.5)
    found = load_questions(spec)
    assert found
    assert all(question.is_in(question.evidence[0]) and "____" in question.text for question in found)
    rows = [{"question": f"Who is {n}?", "answer": f"Person {n}"} for n in range(20)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert {question.kind for question in load_questions(spec)} == {"given"}
    (tmp_path / "questions.jsonl").write_text('{"question": 1}')
    with pytest.raises(AdvisorError, match="jsonl:1: not a question"):
        load_questions(spec)


def test_answers_are_judged_as_wholes() -> None:
    """Spaces and quotes do not matter; a number inside another number is another number."""
    question = Question("?", ("f(a, b='x')", "5"), ("f does",))
    assert question.is_answered('it is `f(a,b="x")` [1]')
    assert question.is_answered("5 [1]")
    assert not question.is_answered("15 or 50")
    assert question.is_in("f  does 5")
    assert not question.is_in("5")
