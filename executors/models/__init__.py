"""Where models come from: the built-in one, folders, GGUF files, adapters; and how each is loaded."""
