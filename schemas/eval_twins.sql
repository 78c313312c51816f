CREATE TABLE eval_twins (
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    other_id      VARCHAR NOT NULL,
    encoder       VARCHAR NOT NULL,
    same_bytes    BOOLEAN NOT NULL,
    score         DOUBLE,
    transform     VARCHAR,
    PRIMARY KEY (eval_set, eval_image_id, other_id)
);
COMMENT ON TABLE eval_twins IS 'Pairs of images of one evaluation set that were compared: its own copies, and how look-alikes score.';
COMMENT ON COLUMN eval_twins.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN eval_twins.eval_image_id IS 'The image that was searched for.';
COMMENT ON COLUMN eval_twins.other_id IS 'Another image of the set, among the nearest to it.';
COMMENT ON COLUMN eval_twins.encoder IS 'Encoder of the search; '''' = no descriptors.';
COMMENT ON COLUMN eval_twins.same_bytes IS 'Whether their SHA-256 is equal.';
COMMENT ON COLUMN eval_twins.score IS 'As in duplicate_candidates.';
COMMENT ON COLUMN eval_twins.transform IS 'What kind of copy, if it is one, as in near_duplicates.';
