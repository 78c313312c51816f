"""WordNet 3.0 nouns: tables, label normalising, senses, hierarchy."""
