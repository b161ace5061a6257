"""From a box in a CT to a mask, slice by slice: the 3-D protocols about paper 4.

Propagated (LiteMedSAM's, and what the paper describes): the middle slice first, then up, then down;
each slice gets the box of the former mask, a little larger. Fixed (what the paper's program does):
every slice gets the box itself.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.networks.embed import EmbedNet
from training.prompt.embed.slices import shown, size_in

MARGIN = 3 / 256
"""By which the box of a former mask grows on each side, in longest sides of a slice (paper 4)."""

Mask = NDArray[np.bool_]
Array = NDArray[np.float32]


class SliceNetwork(Protocol):
    """Anything that embeds slices and decodes boxes."""

    image: int
    """Pixels of a slice along each axis."""

    def embed(self, slices: Array) -> Array:
        """Return the embedding of a slice (1, 1, image, image)."""
        ...

    def decode(self, embedding: Array, boxes: Array) -> Array:
        """Return logits (1, 1, y, x) of an embedding and a box (1, 1, 4), 0 to 1."""
        ...


class TorchNetwork:
    """Teacher or student in torch."""

    def __init__(self, network: EmbedNet, image: int) -> None:
        self.network, self.image = network.eval(), image

    @torch.no_grad()
    def embed(self, slices: Array) -> Array:
        """Return the embedding of a slice (1, 1, image, image)."""
        found: Array = self.network.encoder(torch.from_numpy(slices)).numpy()
        return found

    @torch.no_grad()
    def decode(self, embedding: Array, boxes: Array) -> Array:
        """Return logits (1, 1, y, x) of an embedding and a box (1, 1, 4), 0 to 1."""
        parts = (torch.from_numpy(part) for part in (embedding, boxes))
        found: Array = self.network.decoder(*parts)[0].numpy()
        return found


class EmbeddedVolume:
    """A CT whose slices are embedded when they are first asked for, once."""

    def __init__(self, hu: NDArray[Any], network: SliceNetwork) -> None:
        """Keep the CT; nothing is embedded yet.

        Args:
            hu: (z, y, x), toward S, P and L.
            network: See SliceNetwork.
        """
        self._hu, self._network = hu, network
        self._side = max(hu.shape[1:])
        """Pixels of a slice that fill the image."""
        self._embedded: dict[int, Array] = {}

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64], *, propagate: bool) -> Mask:
        """Return the mask (z, y, x) of the thing in a box.

        Args:
            low: First edges (z, y, x), in voxels from the centre of the first.
            high: Last edges.
            propagate: Let each slice follow the one before, else the box serves all.
        """
        mask = np.zeros(self._hu.shape, bool)
        first = max(int(np.ceil(low[0])), 0)
        last = min(int(np.floor(high[0])), len(mask) - 1)
        asked = np.array([low[2], low[1], high[2], high[1]]) + 0.5
        middle = (first + last) // 2
        mask[middle] = self.slice(middle, asked)
        for way in (range(middle + 1, last + 1), range(middle - 1, first - 1, -1)):
            before = mask[middle]
            for z in way:
                follows = propagate and before.any()
                before = mask[z] = self.slice(z, self._about(before) if follows else asked)
        return mask

    def slice(self, z: int, box: NDArray[np.float64]) -> Mask:
        """Return the mask of a slice (y, x) from a box x0, y0, x1, y1 of pixel edges."""
        corners = (box / self._side).clip(0, 1).astype(np.float32)[None, None]
        logits = torch.from_numpy(self._network.decode(self._embedding(z), corners))
        image, shape = self._network.image, self._hu.shape[1:]
        rows, columns = size_in(shape, image)
        whole = functional.interpolate(logits[:, :, :rows, :columns], shape, mode="bilinear")
        mask: Mask = (whole[0, 0] > 0).numpy()
        return mask

    def _embedding(self, z: int) -> Array:
        if z not in self._embedded:
            hu = torch.from_numpy(self._hu[z].astype(np.float32))[None, None]
            image = self._network.image
            self._embedded[z] = self._network.embed(shown(hu, image, image).numpy())
        return self._embedded[z]

    def _about(self, mask: Mask) -> NDArray[np.float64]:
        """Return the box about a mask, a little larger."""
        x, y = (np.flatnonzero(mask.any(axis)) for axis in (0, 1))
        margin = MARGIN * self._side
        tight = np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], float)
        return tight + np.array([-margin, -margin, margin, margin])
