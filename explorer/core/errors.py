"""Refused: the one exception whose text is meant for the person at the screen. Stopped: the one that is no mistake."""


class Refused(ValueError):
    """What was expected, what came, what to do: one or two sentences that a page or the command line shows as they are.

    Raise it for anything the user can put right (a file, an option, a choice). Everything else is a bug and keeps its traceback.
    """


class Stopped(Exception):
    """The person asked to stop: work in progress unwinds, what is saved already stays."""
