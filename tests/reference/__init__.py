"""The generated parts of the manual's reference pages."""
