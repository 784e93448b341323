"""Training: what is asked of a model, the loop that teaches it, and how it is scored."""
