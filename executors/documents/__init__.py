"""Documents for retrieval: text, Markdown, HTML, PDF, DOCX, folders of them, and `builtin:stdlib`.

Everything read is data: nothing in a file is executed, followed or fetched. What cannot be read is named with
its reason. It cuts nothing into passages and searches nothing; `executors.retrieve` does.
"""

from executors.documents.document import Document, Skipped, Source
from executors.documents.read import list_sources, read_documents, read_source

__all__ = ["Document", "Skipped", "Source", "list_sources", "read_documents", "read_source"]
