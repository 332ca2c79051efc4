# The pytest plugin; nothing to import.
