"""Live widgets for notebooks: the app's curve and plane, by anywidget. A click in the picture is a model in Python.

The drawing is the app's own (explorer.figures.frontend): hovering, dragging and the keyboard are as there, and nothing is fetched from the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import anywidget
import traitlets

from explorer.core.errors import Refused
from explorer.core.spec import Fused, Json
from explorer.figures import frontend


class Live(anywidget.AnyWidget):
    """A live picture. `selected`: the coordinates of the point that was clicked last, None before a click; `observe` tells of a new one."""

    data = cast("Mapping[str, Json | bytes]", traitlets.Dict().tag(sync=True))
    pick = cast("Mapping[str, float | None] | None", traitlets.Dict(allow_none=True, default_value=None).tag(sync=True))
    selected = cast("tuple[float, ...] | None", traitlets.Tuple(allow_none=True, default_value=None))

    def __init__(self, data: Mapping[str, Json | bytes], model: Callable[..., Fused]) -> None:
        super().__init__(data=data)
        self._model = model

    def model(self) -> Fused:
        """The model at the selected point, as a recipe: it goes wherever a checkpoint does, and `make` writes it. Refused before a click."""
        if self.selected is None:
            raise Refused("No point is selected yet. Click one in the picture, or ask the result itself: line.model(t), plane.model(x, y).")
        return self._model(*self.selected)

    def bundle(self, fallback: str) -> dict[str, object]:
        """What a notebook shows of it; `fallback`: HTML for where no script runs."""
        shown = self._repr_mimebundle_()
        data = shown[0] if isinstance(shown, tuple) else shown
        return {**(data or {}), "text/plain": f"<{type(self).__name__}>", "text/html": fallback}

    @traitlets.observe("pick")
    def _picked(self, change: Mapping[str, Mapping[str, float | None] | None]) -> None:
        sent = change["new"]
        self.selected = None if not sent or sent["x"] is None else tuple(float(v) for v in (sent["x"], sent.get("y")) if v is not None)


class LiveCurve(Live):
    """The curve: `selected` is (t,)."""

    _esm = frontend.widget("curve")


class LivePlane(Live):
    """The plane: `selected` is (x, y), in distances as on the axes."""

    _esm = frontend.widget("plane")
