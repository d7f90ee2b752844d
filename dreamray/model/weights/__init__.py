"""Where the weights come from, and the arrays that they are: `loader` has the table."""
