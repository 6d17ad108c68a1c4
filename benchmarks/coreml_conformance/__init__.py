"""Apple's own Core ML tests, run against edgekit's Core ML reference."""
