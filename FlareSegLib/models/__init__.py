"""Models on this computer: the one that ships, and those that a user imported.

Takes folders, zip files and trained nnU-Nets and gives model folders; runs no scan.
"""
