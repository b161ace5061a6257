"""What the viewer's page has beside the slices: windows, opacity, doubt, a list of organs."""

from __future__ import annotations

from FlareSegLib.reporting.view_words import Line

WINDOWS = {
    "soft tissue": (400, 40),
    "liver": (150, 30),
    "lung": (1500, -600),
    "bone": (1800, 400),
}
"""Width and centre in HU, as is usual; the first is shown at once."""


def add_windows() -> None:
    """Add a button for each window, and a slider for the opacity of organs in slices."""
    from trame.widgets import vuetify3 as v3

    with v3.VBtnToggle(v_model=("window",), mandatory=True, density="compact", classes="mr-6"):
        for name, (width, centre) in WINDOWS.items():
            title = f"width {width} HU, centre {centre} HU"
            v3.VBtn(name, value=name, title=title, size="small", classes="text-none")
    v3.VSlider(
        v_model=("opacity",),
        min=0,
        max=1,
        step=0.05,
        hide_details=True,
        max_width=200,
        label="opacity",
        classes="opacity mr-6",
    )


def add_switch() -> None:
    """Add a switch for how unsure the network was."""
    from trame.widgets import vuetify3 as v3

    v3.VSwitch(
        v_model=("doubt",),
        label="doubt",
        title="where the network was unsure: red to yellow",
        color="amber",
        density="compact",
        hide_details=True,
        classes="doubt mr-6",
    )


def add_line(line: Line) -> None:
    """Add an organ to the list: a box to tick, volume, and flags if there are any."""
    from trame.widgets import html
    from trame.widgets import vuetify3 as v3

    with html.Div(classes="d-flex align-center justify-space-between pr-3"):
        v3.VCheckbox(
            v_model=("shown",),
            value=line.key,
            label=line.name,
            color=line.color,
            density="compact",
            hide_details=True,
        )
        html.Span(line.ml, classes="text-caption text-no-wrap")
    if line.flags:
        html.Div(
            line.flags, classes="flags text-caption text-amber pl-9 pr-3", style="margin-top: -6px"
        )
