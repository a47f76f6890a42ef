"""The report in a real browser, opened as a file: its pictures are drawn, and it asks nobody for anything."""

import numpy as np
import pandas as pd
from playwright.sync_api import expect

from explorer.figures import layers, matrix, reliability
from explorer.figures.report import Section, page


def test_a_report_draws_its_pictures_without_any_request(open_page, tmp_path):
    """The fixture fails on a console error, such as a refused request; text of a model's name is shown as text."""
    ten = np.linspace(0.1, 1, 10)
    bins = reliability.Bins("a <b>", np.full(10, 5.0), ten, ten**2, ten**2 - 0.05, ten**2 + 0.05)
    sections = [
        Section("One", "Words & <script>alert(1)</script>", pd.DataFrame({"model": ["<i>a</i>"]}), reliability.figure([bins], title="Reliability")),
        Section("Two", figure=layers.figure(["in", "out"], [layers.Measure("spread", np.array([0.5, np.nan]), 1.0)])),
        Section("Three", figure=matrix.grid(np.array([[1.0, -2.0]]), ["a"], ["x", "y"], title="Classes"), code="print('</pre>')"),
    ]
    file = tmp_path / "report.html"
    file.write_text(page("A <report>", sections, {"text": "</script>"}), encoding="utf-8")
    shown = open_page()
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(file.as_uri())
    expect(shown.locator(".main-svg").first).to_be_visible()
    expect(shown.locator(".plotly-graph-div")).to_have_count(3)
    expect(shown.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [file.as_uri()]
    assert shown.evaluate("JSON.parse(document.getElementById('data').textContent).text") == "</script>"
