"""The pipeline that makes FlareSeg's weights; its stages meet through files.

At the top lies what a person runs: the stages (prepare, teacher, pseudo_label, curriculum, distill,
export, evaluate) and show_augment, with config, which reads their TOML. Below, in the direction of
imports: result and labelling > loop > patches > losses, augment > networks > cases > machine >
sections.
"""
