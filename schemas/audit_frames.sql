CREATE TABLE audit_frames (
    frame        VARCHAR NOT NULL CHECK (frame <> ''),
    image_id     VARCHAR NOT NULL,
    class_key    VARCHAR NOT NULL,
    image_sha256 VARCHAR NOT NULL,
    stratum      INTEGER NOT NULL CHECK (stratum >= 0),
    PRIMARY KEY (frame, image_id)
);
COMMENT ON TABLE audit_frames IS 'Pairs that a sample was drawn from, as they were then: one frame is one class.';
COMMENT ON COLUMN audit_frames.frame IS 'Digest of the pairs, their strata and the seed.';
COMMENT ON COLUMN audit_frames.image_id IS 'Image that bore the label.';
COMMENT ON COLUMN audit_frames.class_key IS 'The label.';
COMMENT ON COLUMN audit_frames.image_sha256 IS 'SHA-256 of its bytes; an image with other bytes counts as new.';
COMMENT ON COLUMN audit_frames.stratum IS 'Stratum within the class; by p_correct at that time, 0 = lowest scores.';
