"""The gallery: every notebook of docs/gallery becomes a page, run while the site is built, on a store of its own."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from functools import cache
from pathlib import Path

import nbformat
import plotly
from jupyter_client.manager import AsyncKernelManager
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient

SECONDS = 600  # for a cell
FIGURE = "application/vnd.plotly.v1+json"
SHOWN = ("image/svg+xml", "image/png", FIGURE, "text/html", "text/markdown", "text/plain")  # of one output, the first of these that it has
DRAW = """
<script src="{script}"></script>
<script>
  for (const place of document.querySelectorAll("div.plotly-figure")) {{
    const {{ data, layout }} = JSON.parse(place.querySelector("script").textContent);
    place.replaceChildren();
    Plotly.newPlot(place, data, layout, {{ responsive: true, displaylogo: false }});
  }}
</script>
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, one that lists them, and plotly.js, which draws their figures and is fetched from nowhere."""
    folder = Path(config.docs_dir) / "gallery"
    listed = ["# Gallery", "", "Notebooks, executed when these pages were built. Each can be downloaded."]
    for path in sorted(folder.glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(executed(text, config.config_file_path) if config.extra["execute"] else text, as_version=4)
        page = as_markdown(notebook) + f"\n\n[Download this notebook]({path.name})\n"
        files.append(File.generated(config, f"gallery/{path.stem}.md", content=page))
        title, _, rest = notebook.cells[0].source.partition("\n")
        listed += ["", f"## [{title.lstrip('# ')}]({path.stem}.md)", "", rest.strip()]
    files.append(File.generated(config, "gallery/index.md", content="\n".join(listed) + "\n"))
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    files.append(File.generated(config, "assets/plotly.min.js", abs_src_path=str(script)))
    return files


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page, and where it has a figure what draws it."""
    return html + DRAW.format(script="../assets/plotly.min.js") if 'class="plotly-figure"' in html else html


@cache
def executed(text: str, config_file: str) -> str:
    """A notebook with what its cells give, run from the top of the checkout; raises where a cell does."""
    notebook = nbformat.reads(text, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"LOSS_EXPLORER_HOME": home, "PLOTLY_RENDERER": "plotly_mimetype"}
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc")
        client = NotebookClient(notebook, manager, timeout=SECONDS, resources={"metadata": {"path": str(Path(config_file).parent)}})
        client.execute(env=environment)
    return nbformat.writes(notebook)


def as_markdown(notebook: nbformat.NotebookNode) -> str:
    """Text as it is, code between fences, and of every output the best that it has."""
    parts: list[str] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code" and cell.source.strip():
            parts.append(f"```python\n{cell.source}\n```")
            parts += [shown for output in cell.outputs if (shown := output_of(output))]
    return "\n\n".join(parts)


def output_of(output: nbformat.NotebookNode) -> str:
    """An output as Markdown."""
    if output.output_type == "stream":
        return fenced(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    kind = next((mime for mime in SHOWN if mime in data), "")
    value = "".join(data.get(kind, "")) if kind != FIGURE else data[kind]
    match kind:
        case "image/svg+xml":
            return f'<img class="output" alt="" src="data:image/svg+xml;base64,{base64.b64encode(value.encode()).decode()}">'
        case "image/png":
            return f'<img class="output" alt="" src="data:image/png;base64,{value.strip()}">'
        case "application/vnd.plotly.v1+json":
            figure = json.dumps({"data": value["data"], "layout": value["layout"]}).replace("<", "\\u003c")
            return f'<div class="plotly-figure"><script type="application/json">{figure}</script></div>'
        case "text/html":
            return f'<div class="output">{value}</div>'
        case "text/markdown":
            return value
        case "text/plain":
            return fenced(value)
        case _:
            return ""


def fenced(text: str) -> str:
    """Text as it was printed."""
    return f"```text\n{text.rstrip()}\n```"
