"""A quarter of an hour on a GPU: cases packed small, and a trainer that does everything there."""
