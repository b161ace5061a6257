"""FlareSeg's core: from an abdominal CT to 13 organs. Each room is one station of the data.

pipeline.py      all of it, on one screen: read it first
images           files to volumes in HU, labelmaps to files
preprocessing    orientation, the body, the model's spacing, normalised intensity
inference        windows, network, stitching: logits
postprocessing   labels on the grid of the CT, cleaned
reporting        volumes, flags, pictures, the browser
batch            many CTs, in many processes
evaluation       labelmaps against the truth
command          the command flareseg
base             what all stand on: grids, labels, settings, errors, progress

Imports point down: command > batch, evaluation > pipeline > reporting > images, preprocessing,
inference, postprocessing > base. Each room's docstring says what it takes and gives, and what may
not be in it.
"""

from FlareSegLib.base import moved
from FlareSegLib.base.telemetry import telemetry_off

__version__ = "0.1.0"

telemetry_off()
moved.keep_old_paths()
