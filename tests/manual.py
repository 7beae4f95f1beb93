"""The source of the manual's pages."""

from importlib.resources import files

from receiver.docs.manual import page_names

MANUAL = {
    name: files("receiver.docs").joinpath(f"{name}.md").read_text(encoding="utf-8") for name in page_names()
}
"""Name of a page → its Markdown."""
