CREATE TABLE embeddings (
    image_id VARCHAR NOT NULL,
    encoder  VARCHAR NOT NULL,
    vector   FLOAT[] NOT NULL,
    sha256   VARCHAR NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (image_id, encoder)
);
COMMENT ON TABLE embeddings IS 'Image descriptors.';
COMMENT ON COLUMN embeddings.image_id IS 'Image, see images.';
COMMENT ON COLUMN embeddings.encoder IS 'Name of the encoder and, after ''#'', the first 12 hex digits of the digest of its weights and preprocessing.';
COMMENT ON COLUMN embeddings.vector IS 'L2-normalised descriptor; float16 on disk, read as float32. [float16]';
COMMENT ON COLUMN embeddings.sha256 IS 'SHA-256 of the image bytes that it was computed from.';
