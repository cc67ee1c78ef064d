"""Pages for people: HTML that shows what a stage found."""
