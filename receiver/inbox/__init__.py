"""The inbox: hooks are kept raw in batches, and read behind the answer into deliveries and facts."""
