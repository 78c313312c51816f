CREATE TABLE label_scores (
    image_id            VARCHAR NOT NULL,
    class_key           VARCHAR NOT NULL,
    p_correct           DOUBLE  NOT NULL CHECK (p_correct BETWEEN 0 AND 1),
    suggested_class_key VARCHAR,
    fold                INTEGER,
    method              VARCHAR NOT NULL,
    PRIMARY KEY (image_id, class_key)
);
COMMENT ON TABLE label_scores IS 'How well each direct label fits its image, judged by models that never saw the image or its copies.';
COMMENT ON COLUMN label_scores.image_id IS 'Image, see images.';
COMMENT ON COLUMN label_scores.class_key IS 'Label that is judged, see classes.';
COMMENT ON COLUMN label_scores.p_correct IS 'Estimated probability that the label is right; higher = cleaner.';
COMMENT ON COLUMN label_scores.suggested_class_key IS 'Class that fits the image better, where one does; else NULL.';
COMMENT ON COLUMN label_scores.fold IS 'Fold whose model scored it; NULL where no model could (too few images, no descriptor).';
COMMENT ON COLUMN label_scores.method IS 'What p_correct comes from: probe, or prior where the image has no descriptor or the class too few images.';
