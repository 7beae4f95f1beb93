"""The pages of the console, one module each: what a page asks the API, and its actions."""
