"""What the source notes claim, in the course's words: claims, glossary, drill."""
