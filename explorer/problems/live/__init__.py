"""Somebody's own objects, network, data, loss and metrics, brought into the form that the whole explorer works with (explorer.problems.held)."""
