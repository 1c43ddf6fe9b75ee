"""Models of the files that people write or review (app, pemda, plan, release) and their loading."""
