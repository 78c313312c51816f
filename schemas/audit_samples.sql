CREATE TABLE audit_samples (
    sample_id             VARCHAR NOT NULL CHECK (sample_id <> ''),
    frame                 VARCHAR NOT NULL,
    image_id              VARCHAR NOT NULL,
    class_key             VARCHAR NOT NULL,
    stratum               INTEGER NOT NULL CHECK (stratum >= 0),
    look                  INTEGER NOT NULL CHECK (look >= 1),
    error_share           DOUBLE  NOT NULL CHECK (error_share > 0 AND error_share <= 1),
    inclusion_probability DOUBLE  NOT NULL CHECK (inclusion_probability > 0 AND inclusion_probability <= 1),
    PRIMARY KEY (sample_id)
);
COMMENT ON TABLE audit_samples IS 'Pairs drawn for people to judge, with the design of the draw.';
COMMENT ON COLUMN audit_samples.sample_id IS 'Hash of frame and image.';
COMMENT ON COLUMN audit_samples.frame IS 'Pairs that it was drawn from, see audit_frames.';
COMMENT ON COLUMN audit_samples.image_id IS 'Image to judge.';
COMMENT ON COLUMN audit_samples.class_key IS 'Label to judge.';
COMMENT ON COLUMN audit_samples.stratum IS 'Stratum of the frame that it was drawn from.';
COMMENT ON COLUMN audit_samples.look IS 'Look that drew the pair: 1, and one more each time that the class is sampled again.';
COMMENT ON COLUMN audit_samples.error_share IS 'Share of the error of a bound (1 - confidence) that this look spends.';
COMMENT ON COLUMN audit_samples.inclusion_probability IS 'Probability with which the design draws this pair up to that look.';
