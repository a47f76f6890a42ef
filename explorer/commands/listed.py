"""What there is: problems, runs."""

from __future__ import annotations

from rich.table import Table

from explorer.commands.arguments import HomeOption
from explorer.commands.print_results import out
from explorer.commands.terminal import refusals, store_of
from explorer.core.spec import Run
from explorer.store.upkeep import shown_size


def problems() -> None:
    """The problems that ship with the explorer."""
    from explorer.problems.problem_toml import shipped

    table = Table("name", "title", "network", "data")
    for spec in shipped():
        table.add_row(spec.name, spec.title, spec.network.name, spec.data.name)
    out.print(table)


def runs(home: HomeOption = None) -> None:
    """What has been computed here, newest first."""
    table = Table("run", "state", "points", "size", "what")
    with refusals():
        store = store_of(home)
        listed = store.statuses("Run")
        sizes = store.bytes_of_fields(s.request.field.id for s in listed if isinstance(s.request, Run))
        for status in listed:
            field = getattr(status.request, "field", None)
            what = " → ".join(c.name or c.id for c in field.corners) if field else ""
            table.add_row(status.id, status.state, f"{status.done}/{status.total}", shown_size(sizes.get(field.id, 0)) if field else "", what)
        for row in store.unreadable():
            table.add_row(row.id, "unreadable", "", "", f"{row.kind}: {row.why}")
        out.print(table)
