"""The core in a line of Python: what `import FlareSegLib` offers.

Takes scans as other programs hold them and gives labels of the same kind; computes nothing itself.
"""
