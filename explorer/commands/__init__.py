"""The commands of `loss-explorer`, one a file; `explorer/cli.py` lists them."""
