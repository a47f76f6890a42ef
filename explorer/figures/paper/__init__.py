"""Figures for papers and slides: our Plotly figures drawn through matplotlib as PDF, SVG and PNG, without a browser.

`export.py` is the way in. Nothing else imports this package's other files, so that matplotlib is loaded when a picture is wanted and not before.
"""
