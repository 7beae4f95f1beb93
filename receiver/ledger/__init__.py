"""What hooks and the API have said becomes facts on disk, and facts become timelines."""
