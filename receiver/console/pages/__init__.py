"""The pages of the console, a module or folder for each feature: what they ask the API, and their actions."""
