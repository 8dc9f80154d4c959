"""The foundation of all packages: components, errors, array types, random streams, lazy imports."""
