"""Checks of what is given to people; they install packages, so they are no part of `make test`."""
