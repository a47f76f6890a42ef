"""The order of the pages, CONTRIBUTING.md and CHANGELOG.md among them, and links from the checkout's folders that hold on the site as well."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

SECTIONS = {
    "Home": ["index.md"],
    "Start": ["start.md", "models.md", "notebook.md", "commands.md", "teaching.md", "own-lessons.md"],
    "Guide": [
        "landscapes.md",
        "topology.md",
        "alignments.md",
        "paths.md",
        "merging.md",
        "language-models.md",
        "statistics.md",
        "serve.md",
        "threat-model.md",
        "troubleshooting.md",
    ],
    "Gallery": ["gallery/index.md"],
    "Methods": ["methods/index.md"],
    "Python": ["api.md", "plugins.md"],
    "About": ["survey.md", "side-by-side.md", "speed.md", "architecture.md", "contributing.md", "changelog.md"],
}
"""Pages that are there are shown in this order; those of the folders gallery and methods, and any that no line names, follow in their sections."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie at the top of the checkout, and say in which order all of them come."""
    root = Path(config.config_file_path).parent
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = (root / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name.lower(), content=re.sub(r"\]\(docs/", "](", text)))
    left = [file.src_uri for file in files.documentation_pages()]
    config.nav = []
    for section, wanted in SECTIONS.items():
        folders = {page.partition("/")[0] + "/" for page in wanted if "/" in page}
        rest = [uri for uri in left if any(uri.startswith(folder) for folder in folders) and uri not in wanted]
        found = [uri for uri in wanted if uri in left] + rest
        left = [uri for uri in left if uri not in found]
        config.nav.append({section: found[0] if section == "Home" else found})
    config.nav[-1]["About"] += left
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what lies beside docs/ in the checkout lead to its page here."""
    return re.sub(r"\]\(\.\./(CONTRIBUTING|CHANGELOG)\.md", lambda m: f"]({m[1].lower()}.md", markdown)
