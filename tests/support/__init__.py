"""What tests make, start and compare: shared by all folders of tests."""
