"""The command flareseg: a file for each subcommand, with its arguments and its run.

Takes words and gives an exit code; the only room that prints, and nothing is computed here.
"""
