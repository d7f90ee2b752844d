"""Words on a terminal: commands, options and progress. Nothing else imports it."""
