CREATE TABLE manifest_losses (
    manifest_id   VARCHAR NOT NULL,
    step          INTEGER NOT NULL CHECK (step >= 0),
    rule          VARCHAR NOT NULL,
    n_labels      BIGINT  NOT NULL CHECK (n_labels >= 0),
    n_images      BIGINT  NOT NULL CHECK (n_images >= 0),
    n_labels_left BIGINT  NOT NULL CHECK (n_labels_left >= 0),
    n_images_left BIGINT  NOT NULL CHECK (n_images_left >= 0),
    PRIMARY KEY (manifest_id, step)
);
COMMENT ON TABLE manifest_losses IS 'From all images and their labels to those of a manifest, rule by rule: what each row takes away and leaves adds up to the last.';
COMMENT ON COLUMN manifest_losses.manifest_id IS 'Manifest.';
COMMENT ON COLUMN manifest_losses.step IS 'Order of the rules; 0 = all there was.';
COMMENT ON COLUMN manifest_losses.rule IS 'Rule as in exclusions; '''' in the first row.';
COMMENT ON COLUMN manifest_losses.n_labels IS 'Labels that it left out: pairs of an image and a class that a text of it was mapped to.';
COMMENT ON COLUMN manifest_losses.n_images IS 'Images that lost their last label by it, or were left out whole.';
COMMENT ON COLUMN manifest_losses.n_labels_left IS 'Labels that were left after it.';
COMMENT ON COLUMN manifest_losses.n_images_left IS 'Images that were left after it.';
