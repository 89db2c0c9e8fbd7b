"""Results as one offline HTML file."""
