CREATE TABLE planted_embeddings (
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    transform     VARCHAR NOT NULL,
    half          VARCHAR NOT NULL CHECK (half IN ('fit', 'report')),
    strength      DOUBLE  NOT NULL CHECK (strength BETWEEN 0 AND 1),
    encoder       VARCHAR NOT NULL,
    vector        FLOAT[] NOT NULL,
    sha256        VARCHAR NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (eval_set, eval_image_id, transform, encoder)
);
COMMENT ON TABLE planted_embeddings IS 'Descriptors of copies of evaluation images that embed made itself, for dedup to know what it would find.';
COMMENT ON COLUMN planted_embeddings.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN planted_embeddings.eval_image_id IS 'The image that was copied.';
COMMENT ON COLUMN planted_embeddings.transform IS 'How the copy was made.';
COMMENT ON COLUMN planted_embeddings.half IS 'fit: thresholds are set with it; report: recall is measured on it. No image and no strength is in both.';
COMMENT ON COLUMN planted_embeddings.strength IS 'How strong the change is: 0 = the weakest of its kind, 1 = the strongest.';
COMMENT ON COLUMN planted_embeddings.encoder IS 'Encoder, as in embeddings.';
COMMENT ON COLUMN planted_embeddings.vector IS 'L2-normalised descriptor; float16 on disk, read as float32. [float16]';
COMMENT ON COLUMN planted_embeddings.sha256 IS 'SHA-256 of the eval image that was copied.';
