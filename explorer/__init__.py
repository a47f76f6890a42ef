"""Loss-landscape explorer: how checkpoints lie to each other in weight space, measured and drawn."""
