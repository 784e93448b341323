"""Tiny Town: a small language whose best possible scores are known exactly."""
