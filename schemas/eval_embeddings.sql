CREATE TABLE eval_embeddings (
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    encoder       VARCHAR NOT NULL,
    view          VARCHAR NOT NULL CHECK (view IN ('', 'hflip')),
    vector        FLOAT[] NOT NULL,
    sha256        VARCHAR NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (eval_set, eval_image_id, encoder, view)
);
COMMENT ON TABLE eval_embeddings IS 'Descriptors of the evaluation images.';
COMMENT ON COLUMN eval_embeddings.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN eval_embeddings.eval_image_id IS 'Evaluation image, see eval_images.';
COMMENT ON COLUMN eval_embeddings.encoder IS 'Encoder, as in embeddings.';
COMMENT ON COLUMN eval_embeddings.view IS ''''' = the image as it is; hflip = mirrored left to right.';
COMMENT ON COLUMN eval_embeddings.vector IS 'L2-normalised descriptor; float16 on disk, read as float32. [float16]';
COMMENT ON COLUMN eval_embeddings.sha256 IS 'SHA-256 of the image bytes that it was computed from.';
