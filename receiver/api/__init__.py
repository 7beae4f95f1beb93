"""The /v1 API: everything that is known, for programs; and hook URLs minted for new tasks."""
