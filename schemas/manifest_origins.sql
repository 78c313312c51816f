CREATE TABLE manifest_origins (
    manifest_id VARCHAR NOT NULL,
    image_id    VARCHAR NOT NULL,
    class_key   VARCHAR NOT NULL,
    origin      VARCHAR NOT NULL CHECK (origin IN ('rolled_up', 'inherited')),
    direct_key  VARCHAR NOT NULL CHECK (direct_key <> class_key),
    PRIMARY KEY (manifest_id, image_id, class_key)
);
COMMENT ON TABLE manifest_origins IS 'Labels of a manifest that stand for a direct label of a class below; all others are direct labels of their image.';
COMMENT ON COLUMN manifest_origins.manifest_id IS 'Manifest.';
COMMENT ON COLUMN manifest_origins.image_id IS 'Image, see manifest.';
COMMENT ON COLUMN manifest_origins.class_key IS 'Label, one of the class_keys of the image in manifest.';
COMMENT ON COLUMN manifest_origins.origin IS 'rolled_up: in place of the direct label, whose class has too few images. inherited: beside it, as it implies this one.';
COMMENT ON COLUMN manifest_origins.direct_key IS 'The direct label of the image that it comes from.';
