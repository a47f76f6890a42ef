"""A model to take away: its weights as a file, and its recipe as JSON, YAML, Python and a command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import streamlit as st

from explorer.core import locations, registry, splits
from explorer.core.errors import Refused
from explorer.core.spec import Aligned, Connected, Field, Fused, Loaded, Make, Recipe, Shifted, Trained
from explorer.merging.mergekit.fused import recipe_of
from explorer.merging.model_card import Number, of_recipe
from explorer.stats import metrics, units
from explorer.stats.barriers import level
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.widgets import python_source
from explorer.ui.widgets.download import download

Made: TypeAlias = "Trained | Aligned | Connected | Shifted | Fused"


def export(store: RunStore, recipe: Recipe, *, key: str) -> None:
    """Buttons for the checkpoint and the recipe, and the code that makes the model again."""
    name = file_name(recipe)
    with st.expander("Export this model: checkpoint, recipe, code", icon=":material/download:"):
        file, plain, other = st.columns(3)
        with file:
            checkpoint(store, recipe, key=key)
        with plain:
            download(
                "Recipe (JSON)", lambda: as_json(recipe), f"{name}.json", mime="application/json", icon=":material/data_object:", key=f"{key}-json"
            )
        yaml, why_not = as_yaml(recipe)
        with other:
            if yaml:
                download(
                    "Recipe (mergekit's YAML)", lambda: yaml, f"{name}.yaml", mime="application/yaml", icon=":material/blender:", key=f"{key}-yaml"
                )
            else:
                st.caption(f"No recipe for mergekit: {why_not}")
        if not isinstance(recipe, Loaded):
            download("Model card (README.md)", lambda: as_card(store, recipe), "README.md", mime="text/markdown", icon=":material/article:", key=f"{key}-card")  # fmt: skip
        st.code(as_python(recipe, f"{name}.json"), language="python")
        st.code(f"loss-explorer make '{name}.json' --out '{name}.safetensors'", language="bash")
        st.caption("The recipe names every checkpoint by the digest of its bytes; run anywhere with the same files it gives the same model.")


def file_name(recipe: Recipe) -> str:
    """What a model's files are called, without an ending, whichever button hands them out."""
    return re.sub(r"[^\w.+-]+", "-", recipe.name).strip("-.") or recipe.id


def checkpoint(store: RunStore, recipe: Recipe, *, key: str) -> None:
    """The button to save the model, and once it is saved the one to download it."""
    request = Make(recipe)
    status = store.status(request.id)
    path = locations.made_at(recipe, locations.home())
    if status is not None and status.state == "done" and path.is_file():
        download("Download .safetensors", path, f"{file_name(recipe)}.safetensors", icon=":material/download:", key=f"{key}-file")
        st.caption(f"Saved at `{path}`, and offered as a model on every page.")
    elif status is not None and status.state == "failed":
        failure.show(status, key=key)
    elif status is not None and status.active:
        st.caption("Writing the checkpoint…")
    else:
        st.button(
            "Save as checkpoint",
            icon=":material/save:",
            on_click=_make,
            args=(request,),
            key=f"{key}-make",
            width="stretch",
            help="Mixes the weights, sets batch-norm statistics as in the picture, and writes a .safetensors file.",
        )


def _make(request: Make) -> None:
    shell.submit(request, urgent=True, again=True)  # it may have been made before, and the file removed since


def exporting(store: RunStore, recipe: Recipe) -> bool:
    """Whether its file is on the way."""
    status = store.status(Make(recipe).id)
    return status is not None and status.active


def as_card(store: RunStore, recipe: Made) -> str:
    """The model card, with what is measured of the model on the test sets."""
    field = Field(recipe.problem, (recipe,), registry.method("chart", "mixture"))
    known = [m for m in ("loss", "error") if metrics.find(m).suits(recipe.problem)]
    numbers = [
        Number(
            recipe.problem.name,
            splits.called(split),
            m,
            level(metrics.column(points, field.metrics, m)),
            units.scale(m),
            units.of_level(recipe.problem, m),
        )
        for split in splits.tests(recipe.problem)
        if len(points := store.points_at(replace(field, split=split).id, np.ones((1, 1))))
        for m in known
    ]
    return of_recipe(recipe, numbers).text()


def as_json(recipe: Recipe) -> str:
    """The recipe as a file's text."""
    return json.dumps(recipe.to_json(), indent=1, ensure_ascii=False)


def as_yaml(recipe: Recipe) -> tuple[str, str]:
    """The recipe in mergekit's form, which `loss-explorer fuse` reads for checkpoints of any size; or nothing, and the reason."""
    if not isinstance(recipe, Fused):
        return "", "this is not a merged model."
    try:
        return recipe_of(recipe), ""
    except Refused as refusal:
        return "", str(refusal)


def as_python(recipe: Recipe, file: str) -> str:
    """Code that makes the model: by its ingredients where these are files, else from the recipe's file."""
    if not isinstance(recipe, Fused) or not all(isinstance(m, Loaded) for m in recipe.models):
        return python_source.program(f"print(make({file!r}))  # where the checkpoint is")
    models = "".join(f"    {python_source.model(m)},\n" for m in recipe.models)
    return python_source.program(
        f"merged = fuse(\n{models}    method={recipe.method.name!r},\n    method_options={recipe.method.kwargs()!r},\n    buffers={recipe.buffers!r},\n"
        f"    problem={python_source.problem(recipe.problem)},\n)\nprint(merged)  # where the checkpoint is"
    )
