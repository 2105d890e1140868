"""What the network looked at: heatmaps and how to show them."""
