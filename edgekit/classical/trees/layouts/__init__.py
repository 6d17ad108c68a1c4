"""Ways to write the same trees, each fast somewhere."""
