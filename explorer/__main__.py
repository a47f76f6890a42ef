"""`python -m explorer …` is `loss-explorer …`."""

from explorer.commands.main import app

if __name__ == "__main__":
    app()
