"""Loss-landscape explorer: how checkpoints relate in weight space, measured and drawn."""
