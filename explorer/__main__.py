"""`python -m explorer …` is `loss-explorer …`."""

from explorer.cli import app

if __name__ == "__main__":
    app()
