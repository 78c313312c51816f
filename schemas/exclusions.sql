CREATE TABLE exclusions (
    manifest_id VARCHAR NOT NULL,
    image_id    VARCHAR NOT NULL,
    class_key   VARCHAR NOT NULL,
    stage       VARCHAR NOT NULL,
    rule        VARCHAR NOT NULL CHECK (rule <> ''),
    detail      VARCHAR NOT NULL,
    PRIMARY KEY (manifest_id, image_id, class_key)
);
COMMENT ON TABLE exclusions IS 'Direct labels and whole images that a manifest leaves out, each with its reason.';
COMMENT ON COLUMN exclusions.manifest_id IS 'Manifest.';
COMMENT ON COLUMN exclusions.image_id IS 'Image, see images.';
COMMENT ON COLUMN exclusions.class_key IS 'Label that is left out, by a rule of rollups as it was in mentions; '''' = the whole image.';
COMMENT ON COLUMN exclusions.stage IS 'Stage whose finding led to it.';
COMMENT ON COLUMN exclusions.rule IS 'Named rule: tombstone, damaged, near_duplicate, no_label, one of rollups, merged, over_cap, class_excluded, class_undecided or below_threshold.';
COMMENT ON COLUMN exclusions.detail IS 'The finding, in words.';
