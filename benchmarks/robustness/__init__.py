"""What an attacker pays, and what is still found."""
