"""What :mod:`edgekit.report` is made of: numbers as text, the view of a manifest, the template and its style."""
