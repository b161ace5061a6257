"""FlareSeg's core: from an abdominal CT to 13 organs, in the order of the data.

io        read a CT, write a labelmap            orient    canonical orientation, as a view
body      box around the patient                 resample  to the model's spacing
intensity HU to network input                    windows   which boxes the network sees, in order
network   window to logits                       stitch    logits of windows to one grid
restore   logits to labels on the input grid     cleanup   per-organ rules
report    volumes, flags, seconds                pipeline  all of it, on one screen

cases     the CTs of a folder                    manifest  of a table or pattern
plan      what to do with each                   batch     all of them: journal, summary, lock
isolated  a process for cases                    pool      many of them; cluster: on Dask
cohort    what all say together                  cohort_page  as HTML

Apart from that: evaluate scores labelmaps against the truth with metrics (DSC, NSD, HD95), scores
(means, intervals, tests), score_tables and score_plots.
"""

from FlareSegLib.telemetry import telemetry_off

__version__ = "0.1.0"

telemetry_off()
