"""Rules for Prometheus (and vmalert), written out of the catalogue, and examples of everything around them."""
