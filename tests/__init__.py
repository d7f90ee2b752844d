"""The tests: `unit` has the folders of the package, `support` and `fakes` what tests share."""
