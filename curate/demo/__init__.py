"""The demo: a generated web corpus with known truth, and the comparison of findings with it."""
