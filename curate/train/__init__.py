"""Training on a manifest, and evaluating what was trained."""
