"""Train the network of prompts: python -m training.prompt CONFIG.toml [--resume]."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from training.loop import checkpoint
from training.loop.run import start
from training.machine.memory import keep_freed
from training.networks.prompt import CropNet, slice_net
from training.networks.slices import dilate_little
from training.prompt import faults
from training.prompt.cases import Case, load_cases
from training.prompt.clicks import channels, click
from training.prompt.crops import Crops
from training.prompt.embed.train import train_embed
from training.prompt.faults import FaultSource
from training.prompt.learner import Learner, autocast, follow
from training.prompt.settings import EmbedSettings, Settings, read_settings
from training.prompt.source import Source, objective

BOX_ALONE, MOST_CLICKS = 0.45, 3
"""Share of steps without a click; clicks of the others are 1 to MOST_CLICKS."""
AGAIN = 0.4
"""Share of the steps without a click that are shown what the network itself found before."""


class Run(Learner):
    """The crop network, as it learns."""

    settings: Settings

    def __init__(self, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        network = slice_net() if settings.flat else CropNet()
        network.to(device, memory_format=torch.channels_last)
        dilate_little(network)
        start(network, settings.start)
        super().__init__(network, settings, settings.steps)
        self.device = device

    def correct(self, source: FaultSource) -> dict[str, float]:
        """Do one step of corrections; return its loss, and the DSC of what was to be changed."""
        batch = source.batch(self.step)
        self.network.train()
        with autocast(self.device):
            logits = self.network(batch.shown)
        loss, dsc = faults.objective(logits.float(), batch)
        return self.descend(loss) | {"dsc": dsc.item()}

    def learn(self, source: Source) -> dict[str, float]:
        """Do one step; return its loss and DSC."""
        crops = source.batch(self.step)
        inputs = self._inputs(crops)
        self.network.train()
        with autocast(self.device):
            logits = self.network(inputs)
        loss, dsc = objective(logits, crops)
        return self.descend(loss) | {"dsc": dsc.item()}

    @torch.no_grad()
    def _inputs(self, crops: Crops) -> torch.Tensor:
        """Return the channels of a step, after the clicks of a simulated user."""
        rng = np.random.default_rng([self.settings.seed, self.step, 2])
        clicks = 0 if rng.random() < BOX_ALONE else int(rng.integers(1, MOST_CLICKS + 1))
        former = inside = outside = torch.zeros_like(crops.truth)
        self.network.eval()
        if not clicks and rng.random() < AGAIN:
            former = self._mask(channels(crops, former, inside, outside))
        for _ in range(clicks):
            former = self._mask(channels(crops, former, inside, outside))
            inside, outside = click(former, crops.truth, inside, outside)
        return channels(crops, former, inside, outside)

    def _mask(self, shown: torch.Tensor) -> torch.Tensor:
        with autocast(self.device):
            return (self.network(shown) > 0).float()


def train(settings: Settings, cases: list[Case], device: torch.device, *, resume: bool) -> Run:
    """Train the crop network to the end of the steps or of the time; return the run."""
    path = settings.out / "checkpoint.pt"
    run = Run(settings, device)
    if resume:
        run.load(path)
    else:
        checkpoint.check_new(path)
    if settings.results:
        found = FaultSource(cases, settings, device)
        follow(run, lambda _: run.correct(found), path)
    else:
        source = Source(cases, settings, device)
        follow(run, lambda _: run.learn(source), path)
    return run


def main() -> None:
    """Train what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m training.prompt", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    said = parser.parse_args()
    settings = read_settings(said.config)
    keep_freed()
    wanted = settings.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    cases = load_cases(settings.packs, settings.labels, device)
    cases = [case for case in cases if not any(word in case.name for word in settings.without)]
    print(f"{len(cases)} cases on {device}", flush=True)
    if isinstance(settings, EmbedSettings):
        _, found = train_embed(settings, cases, device, resume=said.resume)
        state = "teacher and student" if found else "the teacher has steps left: --resume"
    else:
        state = f"{train(settings, cases, device, resume=said.resume).step} steps"
    print(f"{settings.out}: {state}", flush=True)


if __name__ == "__main__":
    main()
