CREATE TABLE duplicate_reviews (
    review_id     VARCHAR   NOT NULL CHECK (review_id <> ''),
    image_id      VARCHAR   NOT NULL,
    eval_set      VARCHAR   NOT NULL,
    eval_image_id VARCHAR   NOT NULL,
    image_sha256  VARCHAR   NOT NULL,
    verdict       VARCHAR   NOT NULL CHECK (verdict IN ('copy', 'different', 'unsure')),
    is_sampled    BOOLEAN   NOT NULL,
    reviewer      VARCHAR   NOT NULL,
    reviewed_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (review_id)
);
COMMENT ON TABLE duplicate_reviews IS 'People''s verdicts on pairs of a corpus image and an eval image, append-only: of several on one pair the latest counts.';
COMMENT ON COLUMN duplicate_reviews.review_id IS 'Hash of all the other columns.';
COMMENT ON COLUMN duplicate_reviews.image_id IS 'Image, see images.';
COMMENT ON COLUMN duplicate_reviews.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN duplicate_reviews.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN duplicate_reviews.image_sha256 IS 'SHA-256 of the corpus image''s bytes that were looked at; a verdict on other bytes is stale.';
COMMENT ON COLUMN duplicate_reviews.verdict IS 'copy, different, or unsure (counts as different in every bound).';
COMMENT ON COLUMN duplicate_reviews.is_sampled IS 'Whether ''curate leaks sample'' asked for it; a volunteered verdict decides its own pair and no bound.';
COMMENT ON COLUMN duplicate_reviews.reviewer IS 'Who looked.';
COMMENT ON COLUMN duplicate_reviews.reviewed_at IS 'When, UTC.';
