"""One machine to run commands on: this one or one behind SSH; and the layout of its store."""
