"""Studies: settings x seeds, trained and recorded."""
