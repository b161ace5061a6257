"""Networks that training makes; each gives Features, so that every loss fits every network."""
