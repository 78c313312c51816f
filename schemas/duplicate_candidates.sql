CREATE TABLE duplicate_candidates (
    image_id       VARCHAR NOT NULL,
    eval_set       VARCHAR NOT NULL,
    eval_image_id  VARCHAR NOT NULL,
    encoder        VARCHAR NOT NULL,
    same_bytes     BOOLEAN NOT NULL,
    phash_distance INTEGER CHECK (phash_distance BETWEEN 0 AND 64),
    similarity     DOUBLE  CHECK (similarity BETWEEN -1.001 AND 1.001),
    is_flipped     BOOLEAN NOT NULL,
    PRIMARY KEY (image_id, eval_set, eval_image_id)
);
COMMENT ON TABLE duplicate_candidates IS 'Pairs of a corpus image and an eval image that are close enough to be looked at; dedup decides on them.';
COMMENT ON COLUMN duplicate_candidates.image_id IS 'Image, see images.';
COMMENT ON COLUMN duplicate_candidates.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN duplicate_candidates.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN duplicate_candidates.encoder IS 'Encoder of similarity.';
COMMENT ON COLUMN duplicate_candidates.same_bytes IS 'Whether their SHA-256 is equal.';
COMMENT ON COLUMN duplicate_candidates.phash_distance IS 'Hamming distance of their perceptual hashes, 0 to 64; lower = closer. NULL where one has none.';
COMMENT ON COLUMN duplicate_candidates.similarity IS 'Cosine of their descriptors; higher = closer. NULL where one has none.';
COMMENT ON COLUMN duplicate_candidates.is_flipped IS 'Whether the closer match is with the eval image mirrored left to right.';
