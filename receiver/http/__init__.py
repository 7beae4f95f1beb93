"""What endpoints share: their declaration, dispatch, tokens, paging, problems and OpenAPI."""
