"""Labelmaps against the truth: DSC, NSD, HD95, means, tests, tables, plots.

Takes folders of labelmaps and gives scores; may not segment.
"""
