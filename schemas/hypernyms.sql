CREATE TABLE hypernyms (
    wnid          VARCHAR NOT NULL,
    hypernym_wnid VARCHAR NOT NULL CHECK (hypernym_wnid <> wnid),
    is_instance   BOOLEAN NOT NULL,
    PRIMARY KEY (wnid, hypernym_wnid)
);
COMMENT ON TABLE hypernyms IS 'Links from a synset to the more general ones right above it.';
COMMENT ON COLUMN hypernyms.wnid IS 'The more specific synset.';
COMMENT ON COLUMN hypernyms.hypernym_wnid IS 'The more general synset.';
COMMENT ON COLUMN hypernyms.is_instance IS 'True for an instance link (Paris is an instance of city), false for a kind of.';
