"""Texts that every database takes."""

from typing import Any


def storable(text: str) -> str:
    """The text without what JSON can carry and no database can: NULs and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def storable_tree(value: Any) -> Any:
    """JSON's values, all texts among them storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): storable_tree(item) for name, item in value.items()}
    return type(value)(map(storable_tree, value)) if isinstance(value, list | tuple) else value
