"""A second way to each answer of lesson 00, found without the first."""


def left_context(words, position):
    return [word for index, word in enumerate(words) if index < position]


def hide(words, position):
    return ["[MASK]" if index == position else word for index, word in enumerate(words)]
