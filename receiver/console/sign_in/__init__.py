"""Sign-in to the console: users, roles, sessions."""
