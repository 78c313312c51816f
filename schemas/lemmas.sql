CREATE TABLE lemmas (
    wnid       VARCHAR NOT NULL,
    lemma      VARCHAR NOT NULL,
    squashed   VARCHAR NOT NULL,
    sense_rank INTEGER NOT NULL CHECK (sense_rank >= 1),
    tag_count  INTEGER NOT NULL CHECK (tag_count >= 0),
    PRIMARY KEY (wnid, lemma)
);
COMMENT ON TABLE lemmas IS 'Words and multiword terms of the noun synsets, one row per sense.';
COMMENT ON COLUMN lemmas.wnid IS 'Synset, see synsets.';
COMMENT ON COLUMN lemmas.lemma IS 'Lemma as WordNet writes it, underscores as spaces.';
COMMENT ON COLUMN lemmas.squashed IS 'Lower-cased lemma without anything but a-z and 0-9; what hashtags are matched on.';
COMMENT ON COLUMN lemmas.sense_rank IS 'Rank of this sense among the lemma''s noun senses; 1 = the most frequent in WordNet''s sense-tagged texts.';
COMMENT ON COLUMN lemmas.tag_count IS 'How often the sense was tagged in those texts; 0 = never seen.';
