"""Pictures of molecules."""

from __future__ import annotations

import base64
from typing import Any

__all__ = ["molecule_hover_tooltip", "svg_from_smiles"]


def svg_from_smiles(smiles: str, width: int = 300, height: int = 200, background: str | None = None) -> str:
    """An SVG as a data URI. `ImportError` that says what to install, `ValueError` for text that is no SMILES."""
    try:
        from rdkit import Chem
        from rdkit.Chem.Draw import rdMolDraw2D
    except ModuleNotFoundError as error:
        raise ImportError("pictures of molecules need `rdkit`, which is not installed: add it to the plugin's requirements") from error
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raise ValueError(f"`{smiles}` is not a SMILES text")
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    options = drawer.drawOptions()
    if background is None:
        options.clearBackground = False
    else:
        from ..color_utils import is_dark, rgba_to_tuple

        if is_dark(background):
            rdMolDraw2D.SetDarkMode(options)
        red, green, blue, alpha = rgba_to_tuple(background)
        options.setBackgroundColour((red / 255, green / 255, blue / 255, alpha))
    drawer.DrawMolecule(molecule)
    drawer.FinishDrawing()
    return "data:image/svg+xml;base64," + base64.b64encode(drawer.GetDrawingText().encode()).decode()


def molecule_hover_tooltip(
    smiles: str, mol_id: str | None = None, width: int = 300, height: int = 200, background: str | None = None
) -> list[Any]:
    from dash import html

    picture = html.Img(src=svg_from_smiles(smiles, width, height, background), style={"width": f"{width}px", "height": f"{height}px"})
    children = [picture] if mol_id is None else [html.H5(mol_id, className="hover-content"), picture]
    return [html.Div(children, className="custom-tooltip")]
