"""Texts as they are: the rig speaks English."""


def tr(text, *_):
    return text


def translate(_context, text, *_):
    return text
