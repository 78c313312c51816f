"""The page on which people judge labels: a local web server over the samples that wait for verdicts."""
