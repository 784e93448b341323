"""Text and what becomes of it: corpora, sentences, tokens, rows."""
