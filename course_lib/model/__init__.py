"""Attention and the models around it: real transformers classes, small ones."""
