CREATE TABLE near_duplicates (
    image_id      VARCHAR NOT NULL,
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    method        VARCHAR NOT NULL CHECK (method IN ('sha256', 'phash', 'embedding')),
    similarity    DOUBLE  NOT NULL CHECK (similarity BETWEEN -1.001 AND 1.001),
    p_duplicate   DOUBLE  CHECK (p_duplicate BETWEEN 0 AND 1),
    transform     VARCHAR,
    PRIMARY KEY (image_id, eval_set, eval_image_id)
);
COMMENT ON TABLE near_duplicates IS 'Corpus images held to be copies of evaluation images.';
COMMENT ON COLUMN near_duplicates.image_id IS 'Image, see images.';
COMMENT ON COLUMN near_duplicates.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN near_duplicates.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN near_duplicates.method IS 'Strongest evidence: equal bytes, then perceptual hash, then descriptor.';
COMMENT ON COLUMN near_duplicates.similarity IS 'On the method''s own scale, higher = closer: 1 for equal bytes, 1 - distance / 64 for phash, cosine for embedding.';
COMMENT ON COLUMN near_duplicates.p_duplicate IS 'Probability that it is a copy; NULL where it was not estimated.';
COMMENT ON COLUMN near_duplicates.transform IS 'What kind of copy, where known: identity, hflip; else NULL.';
