"""One Mask Apart: BERT, GPT and RoBERTa as one-argument differences, held against the best possible score.

Importing this package imports nothing heavy; each module is imported where it is used
(`from course_lib import attention`).
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
