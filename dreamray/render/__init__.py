"""One picture: from a file or an array, through its octaves, to the finished dream."""
