"""Plain Dash with the panels of the measurement: one callback for all of them. Served by gunicorn as `dash_panels:server`."""

from __future__ import annotations

import os
import sys
import time

from dash import Dash, Input, Output, dcc, html

sys.path.insert(0, os.environ["PANELS"])
# Made by the measurement: the same file for both sides.
from panel_work import drawn

COUNT = int(os.environ["COUNT"])

app = Dash("dash_panels")
server = app.server
panels = [dcc.Graph(id=f"panel{number}") for number in range(COUNT)]
app.layout = html.Div([dcc.Store(id="models_table"), dcc.Store(id="one"), dcc.Graph(id="single"), *panels])


@app.callback(Output("single", "figure"), Input("one", "data"))
def single(rows: list[dict[str, str]]) -> object:
    return drawn(rows[0]["name"])


@app.callback([Output(f"panel{number}", "figure") for number in range(COUNT)], Input("models_table", "data"))
def every(rows: list[dict[str, str]]) -> list[object]:
    figures: list[object] = []
    for _ in range(COUNT):
        time.sleep(0.02)
        figures.append(drawn(rows[0]["name"]))
    return figures
