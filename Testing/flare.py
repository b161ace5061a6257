"""FLARE's 13 organs, as the model that ships has them."""

from FlareSegLib.base.label_file import default_labels

FLARE = default_labels()
ORGANS = FLARE.organs
BY_KEY = FLARE.by_key
