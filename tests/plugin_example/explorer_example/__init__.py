"""Two methods that do not come with the explorer: how a package adds its own."""
