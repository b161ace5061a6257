"""What read_volume() says of what it refuses."""

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.images.reading import read_volume


def refusal(path, **options):
    """Return the one line with which a CT is refused; the folder stays as it was."""
    before = _beside(path)
    with pytest.raises(InputError) as caught:
        read_volume(path, **options)
    assert _beside(path) == before
    message = str(caught.value)
    assert "\n" not in message
    assert "Doe" not in message
    assert "4711" not in message
    return message


def _beside(path):
    return sorted(path.parent.iterdir()) if path.parent.is_dir() else []
