"""A fleet that does not exist, for sizing a server and for trying the page: hosts that behave as real ones do."""
