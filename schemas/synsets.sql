CREATE TABLE synsets (
    wnid    VARCHAR NOT NULL CHECK (regexp_full_match(wnid, 'n[0-9]{8}')),
    name    VARCHAR NOT NULL,
    lexname VARCHAR NOT NULL,
    depth   INTEGER NOT NULL CHECK (depth >= 0),
    gloss   VARCHAR,
    PRIMARY KEY (wnid)
);
COMMENT ON TABLE synsets IS 'Noun synsets of WordNet 3.0.';
COMMENT ON COLUMN synsets.wnid IS '''n'' and the 8-digit offset in WordNet 3.0''s data.noun.';
COMMENT ON COLUMN synsets.name IS 'First lemma, underscores as spaces.';
COMMENT ON COLUMN synsets.lexname IS 'Lexicographer file, for example noun.animal.';
COMMENT ON COLUMN synsets.depth IS 'Links on the longest path up to the root (entity = 0), instance links included.';
COMMENT ON COLUMN synsets.gloss IS 'Definition and examples, where nltk''s WordNet corpus is installed; else NULL.';
