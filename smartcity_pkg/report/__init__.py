"""Pages for people who decide: self-contained HTML made from a plan. Nothing is decided here."""
