"""What a budget of accuracy buys: edgekit's choice beside plain float32 and the quantizers of others."""
