"""Foreign feeds and files to rows and samples: what `feed.yaml` maps, decoded, thinned and numbered."""
