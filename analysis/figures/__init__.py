"""From tables to figures: what is drawn, laid out, marked and cut for a page."""
