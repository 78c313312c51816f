"""Label noise: scores of labels, precision with intervals, selection, audit samples. Pure functions on arrays."""
