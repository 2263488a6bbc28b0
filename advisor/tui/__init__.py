"""The Textual app: it shows domain values and posts what a person chose. It holds no decision of its own."""
