"""The network of prompts: masks and boxes drawn on the device, a simulated user, and its export.

`python -m training.prompt CONFIG.toml [--resume]` trains, `python -m training.prompt.export` writes
the model folder, `make bench-prompt` measures it beside simple methods.
cases > scenes (lesions, regions) > crops, or faults of organs > clicks; source.py gives the crops
of a step.
"""
