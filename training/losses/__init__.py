"""What a student learns from: targets, terms and their sum."""
