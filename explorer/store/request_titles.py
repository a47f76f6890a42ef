"""What a request asks for, in a few words."""

from __future__ import annotations

from explorer.core.spec import Look, Make, Request, Run, Study


def title(request: Request) -> str:
    """For a list of what is to be done."""
    match request:
        case Look(path):
            return f"Inspect {path}"
        case Make(recipe):
            return f"Make {recipe.name or recipe.id}"
        case Study(_, models, method):
            return f"Study “{method.name.replace('_', ' ')}” of {len(models)} models"
        case Run(field, sampler):
            names = ", ".join(c.name or c.id for c in field.corners[:3])
            return f"A place clicked between {names}" if sampler.name == "given" else f"Measure a {field.chart.name} of {names}"
