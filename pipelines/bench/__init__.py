"""Every number in the README comes from here: ``ctloop bench NAME``."""
