"""Beyond the error: calibration, classes, and why a merged model fails. Each is a section of the Compare page and of its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from explorer.core import registry, significant_digits
from explorer.core.points import Array
from explorer.core.spec import Fused, Study
from explorer.figures import layers as layers_figure
from explorer.figures import matrix, reliability
from explorer.figures.report import Section
from explorer.stats import units
from explorer.store.run_store import RunStore
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.widgets.section import found

CLASSES_DRAWN = 40
TOGETHER = "ensemble (mean of probabilities)"


def classes_of(comparison: Comparison, best: int) -> Study:
    """The request to know which classes each model gets right, beside the best ingredient."""
    return Study(comparison.problem, comparison.models, registry.method("study", "classes", {"against": best}))


def interference_of(comparison: Comparison, entry: Entry) -> Study:
    """The request to know in which layers a merged model fails."""
    based = isinstance(entry.model, Fused) and registry.has_base(entry.model.method.name) and len(comparison.ingredients) > 2
    return Study(comparison.problem, (entry.model, *comparison.ingredients), registry.method("study", "interference", {"base": based}))


def calibration(store: RunStore, comparison: Comparison) -> Section | None:
    """Reliability by bins, and the expected calibration error of each."""
    result = found(store, comparison.calibration)
    if result is None:
        return None
    names = [e.name for e in comparison.entries]
    models = cast("list[dict[str, object] | None]", result["models"])
    names += [TOGETHER] * (len(models) - len(names))
    rows: list[dict[str, object]] = []
    bins: list[reliability.Bins] = []
    errors: list[float] = []
    for name, one in zip(names, models, strict=True):
        if one is None:
            rows.append({"model": name, "calibration error (%), 95 %": "diverged"})
            continue
        value, low, high = cast("list[float]", one["ece"])
        mean, bound = cast("list[float]", one["chance"])
        over = cast("float", one["over"])
        rows.append(
            {
                "model": name,
                "calibration error (%), 95 %": significant_digits.within(100 * value, 100 * low, 100 * high),
                "by chance alone (%)": f"{100 * mean:.2f}, up to {100 * bound:.2f}",
                "more than chance": value > bound,
                "confidence minus accuracy (points)": significant_digits.number(100 * over, 3, signed=True),
            }
        )
        bins.append(reliability.Bins(name, *(_array(cast("list[float | None]", one[k])) for k in ("count", "confidence", "accuracy", "low", "high"))))
        errors.append(value)
    table = pd.DataFrame(rows)
    off = [str(r["model"]) for r in rows if r.get("more than chance")]
    finding = (
        f"More than chance explains: {', '.join(off)}." if off else "No model is further from calibrated than chance explains on this many samples."
    )
    words = (
        "The calibration error is the mean distance between confidence and accuracy over 15 bins (Guo et al. 2017), on the test split. Even"
        " a perfectly calibrated model shows some on a finite sample: that is the column 'by chance alone'. The picture has the"
        " best and the worst calibrated model, and the ensemble; its bars are 95 % Wilson intervals of a bin."
    )
    if not bins:
        return Section("Calibration", words, table, finding=finding)
    drawn = dict.fromkeys([int(np.argmin(errors)), int(np.argmax(errors)), *(i for i, b in enumerate(bins) if b.name == TOGETHER)])
    return Section("Calibration", words, table, reliability.figure([bins[i] for i in drawn], title="Accuracy against confidence"), finding=finding)


def classes(store: RunStore, comparison: Comparison, best: int) -> Section | None:
    """The share of each class that is right, less that of the best ingredient."""
    result = found(store, classes_of(comparison, best))
    if result is None:
        return None
    names = [e.name for e in comparison.entries]
    labels, right, minus = (cast("list[object]", result[k]) for k in ("classes", "right", "minus"))
    rows: list[dict[str, object]] = []
    clear: list[tuple[float, str]] = []
    for name, shares, apart in zip(names, cast("list[list[float | None]]", right), cast("list[list[list[float | None]]]", minus), strict=True):
        for label, share, (value, low, high) in zip(labels, shares, apart, strict=True):
            text = (
                ""
                if value is None or low is None or high is None or name == names[best]
                else significant_digits.within(100 * value, 100 * low, 100 * high, signed=True)
            )
            rows.append(
                {
                    "model": name,
                    "class": str(label),
                    "right (%)": "" if share is None else f"{100 * share:.1f}",
                    f"minus {names[best]} (points)": text,
                }
            )
            if text and low is not None and high is not None and value is not None and (low > 0 or high < 0):
                clear.append((value, f"{name} {100 * value:+.1f} points on class {label}"))
    clear.sort(key=lambda pair: -abs(pair[0]))
    listed = "; ".join(text for _, text in clear[:4])
    finding = (
        f"Beyond sampling error: {listed}{'; and more' * (len(clear) > 4)}."
        if clear
        else f"No class differs from {names[best]} by more than sampling error."
    )
    words = (
        f"Accuracy by class, test split; differences from the best ingredient, {names[best]}, are paired sample by sample."
        f" There are {len(rows) - len(labels)} such intervals: about one in twenty excludes 0 by chance."
    )
    table = pd.DataFrame(rows)
    figure = None
    if len(labels) <= CLASSES_DRAWN:
        values = np.array([[np.nan if a[0] is None else 100 * a[0] for a in row] for row in cast("list[list[list[float | None]]]", minus)])
        figure = matrix.grid(values, names, [str(c) for c in labels], title=f"Accuracy by class, minus {names[best]} (points)")
    return Section("Class by class", words, table, figure, finding=finding)


def interference(store: RunStore, comparison: Comparison, entry: Entry) -> Section | None:
    """Layer by layer: spread of activations, conflicts of sign, and the rise when this layer alone is replaced."""
    result = found(store, interference_of(comparison, entry))
    if result is None:
        return None
    layers = cast("list[dict[str, object]]", result["layers"])
    names = [str(r["name"]) for r in layers]
    spread, clash = (_array([cast("float | None", r[k]) for r in layers]) for k in ("spread", "cancelled"))
    loss = np.array([[np.nan if v is None else v for v in cast("list[float | None]", r["loss"])] for r in layers])
    unit = units.of_gap(comparison.problem, "loss")
    measures = [
        layers_figure.Measure("spread,<br>merged / own", spread, 1.0),
        layers_figure.Measure("cancelled by<br>opposite signs (%)", 100 * clash, 0.0),
        layers_figure.Measure(units.titled("rise of loss,<br>this alone", unit), loss[:, 0], 0.0, loss[:, 1], loss[:, 2]),
    ]
    table = pd.DataFrame(
        {
            "layer": names,
            "parameters": [cast("int", r["parameters"]) for r in layers],
            "spread, merged / own": spread.round(3),
            "conflicts (%)": (100 * _array([cast("float | None", r["conflicts"]) for r in layers])).round(1),
            "cancelled (%)": (100 * clash).round(1),
            f"{units.titled('rise of the loss', unit)}, 95 %": [_interval(row) for row in loss],
        }
    )
    whole = [np.nan if v is None else v for v in cast("list[float | None]", cast("dict[str, object]", result["whole"])["loss"])]
    return Section(
        f"Why {entry.name} fails, or does not",
        _why(names, spread, clash, loss, unit),
        table,
        layers_figure.figure(names, measures),
        finding=f"The validation loss of {entry.name} is {significant_digits.within(*whole, unit=unit, signed=True)} against the mean of its ingredients.",
    )


def _why(layers: Sequence[str], spread: Array, clash: Array, loss: Array, unit: str) -> str:
    parts: list[str] = []
    if np.isfinite(spread).any():
        low = int(np.nanargmin(spread))
        text = f"Activations vary least in {layers[low]}: {spread[low]:.2f} of the ingredients'"
        parts.append(
            text + (", a collapse that matching units (Align) or REPAIR may undo." if spread[low] < 0.8 else ", so variance does not collapse.")
        )
    if np.isfinite(clash).any():
        most = int(np.nanargmax(clash))
        parts.append(f"Opposite signs cancel most in {layers[most]}: {100 * clash[most]:.0f} % of the magnitude.")
    if np.isfinite(loss[:, 0]).any():
        worst = int(np.nanargmax(loss[:, 0]))
        clear = loss[worst, 1] > 0
        parts.append(
            f"Replacing {layers[worst]} alone costs most, {_interval(loss[worst])}{units.after(unit)}."
            if clear
            else "No layer's replacement alone raises the loss beyond sampling error."
        )
    return (
        " ".join(parts)
        + " Left: standard deviation of what a layer gives, merged model by ingredients; middle: magnitude lost to opposite signs; right: rise of the loss when this layer alone is replaced. The rises of single layers do not add up to the rise of the whole."
    )


def _interval(row: Array) -> str:
    return "diverged" if not np.isfinite(row).all() else significant_digits.within(*row.tolist(), signed=True)


def _array(values: Sequence[float | None]) -> Array:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
