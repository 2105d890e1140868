"""Everything without a screen: reading films, the network, its training and its explanations."""
