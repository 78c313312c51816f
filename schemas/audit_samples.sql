CREATE TABLE audit_samples (
    sample_id             VARCHAR NOT NULL CHECK (sample_id <> ''),
    image_id              VARCHAR NOT NULL,
    class_key             VARCHAR NOT NULL,
    stratum               VARCHAR NOT NULL,
    inclusion_probability DOUBLE  NOT NULL CHECK (inclusion_probability > 0 AND inclusion_probability <= 1),
    frame                 VARCHAR NOT NULL,
    PRIMARY KEY (sample_id)
);
COMMENT ON TABLE audit_samples IS 'Pairs drawn for people to judge, with the design of the draw.';
COMMENT ON COLUMN audit_samples.sample_id IS 'Hash of frame, image and class.';
COMMENT ON COLUMN audit_samples.image_id IS 'Image to judge.';
COMMENT ON COLUMN audit_samples.class_key IS 'Label to judge.';
COMMENT ON COLUMN audit_samples.stratum IS 'Stratum of the class that the pair was drawn from.';
COMMENT ON COLUMN audit_samples.inclusion_probability IS 'Probability with which the design drew this pair.';
COMMENT ON COLUMN audit_samples.frame IS 'Digest of the pairs that were drawn from, and of the design.';
