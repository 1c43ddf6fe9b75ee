"""Any Compose file taken over as a draft of a catalogue entry; `draft` is where to begin."""
