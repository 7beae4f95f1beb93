"""The console: pages for people on the API listener, made of what the API answers."""
