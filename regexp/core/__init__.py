"""What every package stands on: components, errors, random streams, lazy imports."""
