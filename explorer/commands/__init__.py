"""The commands of `loss-explorer`, one a file; `explorer/commands/main.py` lists them."""
