CREATE TABLE planted_copies (
    eval_set       VARCHAR NOT NULL,
    eval_image_id  VARCHAR NOT NULL,
    transform      VARCHAR NOT NULL,
    encoder        VARCHAR NOT NULL,
    half           VARCHAR NOT NULL CHECK (half IN ('fit', 'report')),
    strength       DOUBLE  NOT NULL CHECK (strength BETWEEN 0 AND 1),
    phash_distance INTEGER CHECK (phash_distance BETWEEN 0 AND 64),
    similarity     DOUBLE  CHECK (similarity BETWEEN -1.001 AND 1.001),
    score          DOUBLE,
    other_score    DOUBLE,
    found_as       VARCHAR,
    PRIMARY KEY (eval_set, eval_image_id, transform)
);
COMMENT ON TABLE planted_copies IS 'Copies of eval images that dedup made itself and sent through the same search and comparison, to know what it would find.';
COMMENT ON COLUMN planted_copies.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN planted_copies.eval_image_id IS 'The image that was copied.';
COMMENT ON COLUMN planted_copies.transform IS 'How the copy was made.';
COMMENT ON COLUMN planted_copies.encoder IS 'Encoder of similarity; '''' = no descriptors.';
COMMENT ON COLUMN planted_copies.half IS 'fit: thresholds are set with it; report: recall is measured on it. No image and no strength is in both.';
COMMENT ON COLUMN planted_copies.strength IS 'How strong the change is: 0 = the weakest of its kind, 1 = the strongest.';
COMMENT ON COLUMN planted_copies.phash_distance IS 'As in duplicate_candidates, for the copy and its original; NULL where the pair was not compared.';
COMMENT ON COLUMN planted_copies.similarity IS 'Likewise.';
COMMENT ON COLUMN planted_copies.score IS 'Likewise; NULL where the search did not bring the original among the candidates.';
COMMENT ON COLUMN planted_copies.other_score IS 'Highest score of the copy with any other eval image; NULL where none was compared, and for collages, which hold two of them.';
COMMENT ON COLUMN planted_copies.found_as IS 'Kind of copy that the comparison took it for, as transform in near_duplicates.';
