"""The server: batches in, answers to people out."""
