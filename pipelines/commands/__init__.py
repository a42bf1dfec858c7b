"""The verbs of ``ctloop`` by topic; each imports what it runs only when it runs."""
