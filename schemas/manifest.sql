CREATE TABLE manifest (
    manifest_id   VARCHAR   NOT NULL,
    image_id      VARCHAR   NOT NULL,
    source        VARCHAR   NOT NULL,
    uri           VARCHAR   NOT NULL,
    byte_offset   BIGINT    NOT NULL CHECK (byte_offset >= 0),
    byte_length   BIGINT    NOT NULL CHECK (byte_length > 0),
    class_ids     INTEGER[] NOT NULL CHECK (len(class_ids) > 0),
    class_keys    VARCHAR[] NOT NULL CHECK (len(class_keys) = len(class_ids)),
    label_weights FLOAT[]   NOT NULL CHECK (len(label_weights) = len(class_ids)),
    p_correct     DOUBLE    NOT NULL CHECK (p_correct BETWEEN 0 AND 1),
    repeat_factor DOUBLE    NOT NULL CHECK (repeat_factor >= 1),
    split         VARCHAR   NOT NULL CHECK (split IN ('train', 'val')),
    PRIMARY KEY (manifest_id, image_id)
);
COMMENT ON TABLE manifest IS 'Images to train on, with the labels that were kept.';
COMMENT ON COLUMN manifest.manifest_id IS 'Hash of the parameters and of the logical digests of all inputs.';
COMMENT ON COLUMN manifest.image_id IS 'Image, see images.';
COMMENT ON COLUMN manifest.source IS 'Source, see sources.';
COMMENT ON COLUMN manifest.uri IS 'File that holds the bytes, relative to the source''s root; a cell of a Parquet file as FILE#row=N&column=NAME, rows from 0. [location]';
COMMENT ON COLUMN manifest.byte_offset IS 'Where the image begins in that file, in bytes; 0 for a cell. [location]';
COMMENT ON COLUMN manifest.byte_length IS 'Length of the image in bytes. [location]';
COMMENT ON COLUMN manifest.class_ids IS 'Dense numbers of the kept labels, ascending; see manifest_classes.';
COMMENT ON COLUMN manifest.class_keys IS 'Classes of class_ids, in the same order.';
COMMENT ON COLUMN manifest.label_weights IS 'Training weight of each label, in the same order; 1 = full, p_correct where it is below the precision and was not dropped. Of k labels, training gives each 1/k of it.';
COMMENT ON COLUMN manifest.p_correct IS 'Lowest p_correct among the kept labels; higher = cleaner.';
COMMENT ON COLUMN manifest.repeat_factor IS 'How often to show the image in an epoch, on average; 1 = once.';
COMMENT ON COLUMN manifest.split IS 'train or val.';
