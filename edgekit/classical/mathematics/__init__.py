"""What several families compute: distances, kernels, and functions that float32 would round off."""
