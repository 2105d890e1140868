"""Everything with a screen: page frame, shared state, widgets and pictures."""
