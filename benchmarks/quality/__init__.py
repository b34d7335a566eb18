"""What is found, on traffic whose truth is known."""
