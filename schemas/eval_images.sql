CREATE TABLE eval_images (
    eval_set      VARCHAR NOT NULL,
    eval_image_id VARCHAR NOT NULL,
    uri           VARCHAR NOT NULL,
    byte_offset   BIGINT  NOT NULL CHECK (byte_offset >= 0),
    byte_length   BIGINT  NOT NULL CHECK (byte_length >= 0),
    sha256        VARCHAR CHECK (length(sha256) = 64),
    phash         UBIGINT,
    width         INTEGER CHECK (width > 0),
    height        INTEGER CHECK (height > 0),
    class_key     VARCHAR,
    status        VARCHAR NOT NULL CHECK (status IN ('ok', 'damaged')),
    error         VARCHAR CHECK ((status = 'damaged') = (error IS NOT NULL)),
    PRIMARY KEY (eval_set, eval_image_id)
);
COMMENT ON TABLE eval_images IS 'Images of the evaluation sets.';
COMMENT ON COLUMN eval_images.eval_set IS 'Evaluation set, see eval_sets.';
COMMENT ON COLUMN eval_images.eval_image_id IS 'Its key in the set: the set''s own name for it where the layout is known; else the path below the folder, or the tar member''s stem.';
COMMENT ON COLUMN eval_images.uri IS 'File that holds the bytes, relative to the eval set''s root; a cell of a Parquet file as FILE#row=N&column=NAME, a record of CIFAR''s as FILE#record=N&labels=M, both from 0. Empty where the set came without its images. [location]';
COMMENT ON COLUMN eval_images.byte_offset IS 'Where the image begins in that file, in bytes; 0 for a cell or a record. [location]';
COMMENT ON COLUMN eval_images.byte_length IS 'Length of the image in bytes; 0 where the set came without its images. [location]';
COMMENT ON COLUMN eval_images.sha256 IS 'SHA-256 of the stored bytes (of a record, of its pixels as a PPM file), lower-case hex.';
COMMENT ON COLUMN eval_images.phash IS '64-bit DCT perceptual hash, as in images.';
COMMENT ON COLUMN eval_images.width IS 'Width in pixels, after EXIF orientation.';
COMMENT ON COLUMN eval_images.height IS 'Height in pixels, after EXIF orientation.';
COMMENT ON COLUMN eval_images.class_key IS 'True class, where the set gives exactly one; else NULL.';
COMMENT ON COLUMN eval_images.status IS 'ok or damaged, as in images.';
COMMENT ON COLUMN eval_images.error IS 'Why it is damaged; NULL where it is ok.';
