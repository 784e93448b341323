"""A second way to the answer of lesson 00, found without the first."""


def hide(words, position):
    return ["[MASK]" if index == position else word for index, word in enumerate(words)]
