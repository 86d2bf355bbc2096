"""Analysis: verdicts with evidence. Pure functions of tables: no connection, no clock, no I/O."""
