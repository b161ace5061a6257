"""Show a CT and its organs in a browser, drawn by Slicer's own classes on this computer.

Only this file and view_*.py import trame, Slicer's and VTK's classes (extra view); the core does
without, see docs/decisions/0007. The server listens on this computer alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.base.extras import how_to_get
from FlareSegLib.base.geometry import Grid, Labelmap, Volume
from FlareSegLib.base.labels import LabelSet
from FlareSegLib.images.reading import read_labelmap, read_volume
from FlareSegLib.images.writing import write_labelmap
from FlareSegLib.reporting.view_volumes import LPS_TO_RAS, add_doubt, add_volume, show_over
from FlareSegLib.reporting.view_widgets import WINDOWS, add_line, add_switch, add_windows
from FlareSegLib.reporting.view_words import Line, lines, sides

HOST = "127.0.0.1"
"""Nobody else can connect."""
NEEDED = ("trame_slicer", "trame_vuetify", "slicer")
OPACITY = 0.5
"""Of organs in slices, at the beginning."""
LAYOUT = "Quad View"
DRAWER_PIXELS = 250
WORD_PLACES = {
    "left": "left: 8px; top: 50%",
    "right": "right: 8px; top: 50%",
    "top": "top: 4px; left: 50%",
    "bottom": "bottom: 28px; left: 50%",
    "place": "top: 4px; right: 8px",
}
"""Where the words of a slice stand in it, as CSS has it."""
TITLE = "FlareSeg"
NOTICE = "Research use only, not a medical device"


@dataclass(frozen=True)
class Place:
    """Where the page is served."""

    port: int = 0
    """0: any that is free."""
    with_browser: bool = True
    """Open the page in the browser."""
    ready: Callable[[str], None] = lambda _: None
    """Takes the address when the page can be opened."""


def check_installed() -> None:
    """Check that the packages of the viewer are there.

    Raises:
        OutputError: They are not; says how to get them.
    """
    if missing := [name for name in NEEDED if not find_spec(name)]:
        raise OutputError(
            f"the viewer needs {', '.join(missing)}: {how_to_get('view')} (1 GB; Python 3.11 to "
            "3.13 on Linux, Windows or a Mac with Apple's chip)"
        )


def view(
    ct: Path,
    labelmap: Path,
    labels: LabelSet,
    place: Place,
    series: str | None = None,
    doubt: Path | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        ct: Image file, or folder with a DICOM series.
        labelmap: Organs on the grid of the CT.
        labels: What its values mean.
        place: Where the page is served.
        series: UID of the DICOM series, if the folder holds several.
        doubt: What --uncertainty wrote; the page has a switch for it.

    Raises:
        OutputError: The packages of the viewer are missing.
        InputError: A file cannot be read, or is not on the grid of the CT.
    """
    check_installed()
    volume = read_volume(ct, series=series)
    organs = _read_on(volume.grid, labelmap)
    over = _read_on(volume.grid, doubt) if doubt else None
    with tempfile.TemporaryDirectory(prefix="flareseg-view-") as folder:
        named = Path(folder) / "organs.seg.nrrd"  # names, colors and codes, whatever it came in
        write_labelmap(organs, named, labels=labels)
        page = _Page(volume, named, lines(labels.organs, organs, labelmap), labelmap.name, over)
        page.go_to(organs)
        page.serve(place)


def _read_on(ct: Grid, path: Path) -> Labelmap:
    found = read_labelmap(path)
    _check_grids(ct, found.grid, path)
    return found


def _check_grids(ct: Grid, organs: Grid, labelmap: Path) -> None:
    ends = [(0.0, 0.0, 0.0), tuple(n - 1.0 for n in ct.shape)]
    apart_mm = max(np.abs(np.subtract(ct.to_world(at), organs.to_world(at))).max() for at in ends)  # type: ignore[arg-type]
    if ct.shape != organs.shape or apart_mm > min(ct.spacing_mm) / 2:
        raise InputError(
            f"{labelmap.name} is not on the grid of the CT: name the CT it was made from with --ct"
        )


class _Page:
    """The scene of one case, and the page that shows it."""

    def __init__(
        self, volume: Volume, organs: Path, found: list[Line], name: str, doubt: Labelmap | None
    ) -> None:
        from trame.app import get_server
        from trame_slicer import module
        from trame_slicer.core import LayoutManager, SlicerApp
        from trame_slicer.rca_view import register_rca_factories
        from vtkmodules.vtkCommonCore import vtkObject

        vtkObject.GlobalWarningDisplayOff()  # VTK 9.6 warns of each new size of a view
        self._server = get_server(name)
        self._server.enable_module(module)
        self._app = SlicerApp()
        register_rca_factories(self._app.view_manager, self._server, _add_slice_words)
        self._layouts = LayoutManager(self._app.scene, self._app.view_manager, self._server)
        self._layouts.register_layout_dict(LayoutManager.default_grid_configuration())
        self._layouts.set_layout(LAYOUT)
        self._ct = add_volume(self._app.scene, volume)
        self._ct.GetDisplayNode().SetWindowLevel(*next(iter(WINDOWS.values())))
        self._doubt = add_doubt(self._app.scene, doubt) if doubt else None
        self._organs = self._app.io_manager.load_segmentation(organs)
        self._organs.CreateClosedSurfaceRepresentation()
        self._organs.GetDisplayNode().SetVisibility3D(True)
        self._app.display_manager.show_volume_in_slice_background(self._ct)
        self._build(name, found)
        self._app.display_manager.reset_views()

    def go_to(self, organs: Labelmap) -> None:
        """Move the slices to the middle of the organs, which that of a long scan is not."""
        from slicer import vtkMRMLSliceNode

        indices = np.nonzero(organs.array)
        if len(indices[0]):
            z, y, x = (float(index.mean()) for index in indices)
            middle = LPS_TO_RAS @ np.array(organs.grid.to_world((z, y, x)))
            vtkMRMLSliceNode.JumpAllSlices(self._app.scene, *middle)

    @property
    def _keys(self) -> list[str]:
        return list(self._organs.GetSegmentation().GetSegmentIDs())

    def _build(self, name: str, found: list[Line]) -> None:
        """Write the page: four views, and a list of organs to tick."""
        from trame.ui.vuetify3 import VAppLayout
        from trame.widgets import vuetify3 as v3

        state = self._server.state
        state["trame__title"] = f"{TITLE} - {name}"
        state.update(
            {"shown": self._keys, "window": next(iter(WINDOWS)), "opacity": OPACITY, "doubt": False}
        )
        for key, follow in (
            ("shown", self._on_shown),
            ("window", self._on_window),
            ("opacity", self._on_opacity),
            ("doubt", self._on_doubt),
        ):
            state.change(key)(follow)
        with VAppLayout(self._server) as layout:
            layout.root.theme = "dark"
            with v3.VAppBar(density="compact"):
                v3.VToolbarTitle(f"{TITLE}: {name}")
                add_windows()
                if self._doubt:
                    add_switch()
                v3.VLabel(NOTICE, classes="mr-4")
            with v3.VNavigationDrawer(permanent=True, width=DRAWER_PIXELS):
                for line in found:
                    add_line(line)
            with v3.VMain(style="height: 100vh"):
                self._layouts.initialize_layout_grid(layout)

    def _on_shown(self, shown: list[str], **_: object) -> None:
        display = self._organs.GetDisplayNode()
        for key in self._keys:
            display.SetSegmentVisibility(key, key in shown)

    def _on_window(self, window: str, **_: object) -> None:
        self._ct.GetDisplayNode().SetWindowLevel(*WINDOWS[window])

    def _on_opacity(self, opacity: float, **_: object) -> None:
        self._organs.GetDisplayNode().SetOpacity2DFill(opacity)

    def _on_doubt(self, doubt: bool, **_: object) -> None:
        show_over(self._app.scene, self._doubt if doubt else None)

    def serve(self, place: Place) -> None:
        """Serve until the process is asked to stop."""
        controller = self._server.controller
        controller.on_server_bind.add(_answer_launcher)
        controller.on_server_ready.add(
            lambda **_: place.ready(f"http://{HOST}:{self._server.port}/")
        )
        self._server.start(
            port=place.port,
            host=HOST,
            open_browser=place.with_browser,
            show_connection_info=False,
            timeout=0,
        )


def _answer_launcher(server: Any) -> None:
    """Tell the page, which asks for a launcher first, that the server it came from is the one."""
    from aiohttp import web

    async def answer(_: Any) -> Any:
        return web.json_response({"sessionURL": "ws://USE_HOST/ws"})

    server.app.router.add_post("/paraview/", answer)


def _add_slice_words(server: Any, view_id: str, slice_view: Any) -> None:
    """Add to a slice what trame-slicer adds, the sides of the patient, and its place in mm."""
    from trame.widgets import html
    from trame_slicer.app.ui import create_vertical_slice_view_gutter_ui

    create_vertical_slice_view_gutter_ui(server, view_id, slice_view)
    key = f"{view_id}_words"

    def tell(_: object) -> None:
        matrix = slice_view.get_view_node().GetSliceToRAS()
        rows = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
        server.state[key] = sides(np.array(rows))

    tell(None)
    slice_view.modified.connect(tell)
    for word, place in WORD_PLACES.items():
        html.Div(
            f"{{{{ {key}.{word} }}}}",
            classes=f"slice-{word} text-body-2",
            style=f"position: absolute; pointer-events: none; text-shadow: 0 0 3px black; {place}",
        )
