"""What a teacher says of a whole case, cleaned, compared and completed."""
