"""Single models other than trees: linear, neighbours, naive Bayes, SVM, neural, clusters, outliers."""
